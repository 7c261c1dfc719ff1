// The npm package oidc-provider doing the same work, in memory: ES256 JWT access tokens for one API.
// WORKERS processes share PORT; keys are made once and handed down, so any process answers for all.
import cluster from 'node:cluster';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const { PORT, WORKERS, SECRET, API, CALLBACK } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;

function privateJwk(kid, alg, kind, options) {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

function provider(keys) {
  return new Provider(issuer, {
    clients: [
      {
        client_id: 'service', client_secret: SECRET, grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'read',
      },
      {
        client_id: 'web', client_secret: SECRET, grant_types: ['authorization_code', 'refresh_token'], redirect_uris: [CALLBACK], response_types: ['code'], scope: 'openid offline_access read',
      },
    ],
    jwks: { keys },
    scopes: ['openid', 'offline_access', 'read'],
    cookies: { keys: [SECRET] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => API,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'read', audience: API, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
}

if (Number(WORKERS) > 1 && cluster.isPrimary) {
  const keys = [privateJwk('es', 'ES256', 'ec', { namedCurve: 'P-256' }), privateJwk('rs', 'RS256', 'rsa', { modulusLength: 2048 })];
  for (let number = 0; number < Number(WORKERS); number += 1) cluster.fork({ KEYS: JSON.stringify(keys) });
} else {
  const keys = process.env.KEYS
    ? JSON.parse(process.env.KEYS)
    : [privateJwk('es', 'ES256', 'ec', { namedCurve: 'P-256' }), privateJwk('rs', 'RS256', 'rsa', { modulusLength: 2048 })];
  provider(keys).listen(Number(PORT), '127.0.0.1');
}

// A relying party built on openid-client: code flow with DPoP, a code bound by dpop_jkt, userinfo, refresh.
import readline from 'node:readline/promises'
import * as client from 'openid-client'

const { issuer, metadata, redirect_uri, scope } = JSON.parse(process.argv[2])
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const tell = (document) => console.log(JSON.stringify(document))

const authentication = metadata.client_secret ? client.ClientSecretBasic(metadata.client_secret) : client.None()
const config = await client.discovery(new URL(issuer), metadata.client_id, metadata, authentication, {
  execute: [client.allowInsecureRequests],
})
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
const verifier = client.randomPKCECodeVerifier()
const url = client.buildAuthorizationUrl(config, {
  redirect_uri,
  scope,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  dpop_jkt: await DPoP.calculateThumbprint(),
})
tell({ url: url.href })

const callback = new URL(JSON.parse((await lines.next()).value))
const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier }, undefined, { DPoP })
const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
const again = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
const stolen = await client
  .refreshTokenGrant(config, again.refresh_token, undefined, { DPoP: other })
  .then(() => 'given', (error) => error.error)
tell({ tokens, person, again, stolen, jkt: await DPoP.calculateThumbprint() })
process.exit()

// A relying party built on oauth4webapi, which checks every answer byte by byte: discovery, code flow, userinfo, refresh, introspection.
import readline from 'node:readline/promises'
import * as oauth from 'oauth4webapi'

const { issuer, metadata, redirect_uri, scope } = JSON.parse(process.argv[2])
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const tell = (document) => console.log(JSON.stringify(document))
const insecure = { [oauth.allowInsecureRequests]: true }

const base = new URL(issuer)
const server = await oauth.processDiscoveryResponse(base, await oauth.discoveryRequest(base, insecure))
const client = { client_id: metadata.client_id }
const authentication = oauth.ClientSecretBasic(metadata.client_secret)
const verifier = oauth.generateRandomCodeVerifier()
const nonce = oauth.generateRandomNonce()
const state = oauth.generateRandomState()
const url = new URL(server.authorization_endpoint)
url.search = new URLSearchParams({
  client_id: client.client_id,
  redirect_uri,
  response_type: 'code',
  scope,
  nonce,
  state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
tell({ url: url.href })

const callback = new URL(JSON.parse((await lines.next()).value))
const parameters = oauth.validateAuthResponse(server, client, callback, state)
const redeemed = await oauth.authorizationCodeGrantRequest(server, client, authentication, parameters, redirect_uri, verifier, insecure)
const tokens = await oauth.processAuthorizationCodeResponse(server, client, redeemed, { expectedNonce: nonce, requireIdToken: true })
await oauth.validateApplicationLevelSignature(server, redeemed, insecure)
const claims = oauth.getValidatedIdTokenClaims(tokens)
const asked = await oauth.userInfoRequest(server, client, tokens.access_token, insecure)
const person = await oauth.processUserInfoResponse(server, client, claims.sub, asked)
const refreshed = await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, insecure)
const again = await oauth.processRefreshTokenResponse(server, client, refreshed)
const told = await oauth.introspectionRequest(server, client, authentication, again.access_token, insecure)
const introspection = await oauth.processIntrospectionResponse(server, client, told)
await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, again.refresh_token, insecure))
tell({ claims, person, again, introspection })
process.exit()

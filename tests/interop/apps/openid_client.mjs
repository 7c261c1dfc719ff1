// A relying party built on openid-client: discovery, code flow, userinfo, refresh, revocation, RP-initiated logout.
import readline from 'node:readline/promises'
import * as client from 'openid-client'

const { issuer, metadata, redirect_uri, scope } = JSON.parse(process.argv[2])
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const tell = (document) => console.log(JSON.stringify(document))

const authentication = {
  client_secret_basic: () => client.ClientSecretBasic(metadata.client_secret),
  client_secret_post: () => client.ClientSecretPost(metadata.client_secret),
  none: () => client.None(),
}[metadata.token_endpoint_auth_method]()
const config = await client.discovery(new URL(issuer), metadata.client_id, metadata, authentication, {
  execute: [client.allowInsecureRequests],
})
const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedNonce = client.randomNonce()
const expectedState = client.randomState()
const url = client.buildAuthorizationUrl(config, {
  redirect_uri,
  scope,
  nonce: expectedNonce,
  state: expectedState,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
})
tell({ url: url.href })

const callback = new URL(JSON.parse((await lines.next()).value))
const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedNonce, expectedState, idTokenExpected: true })
const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
const again = await client.refreshTokenGrant(config, tokens.refresh_token)
const logout = client.buildEndSessionUrl(config, { id_token_hint: again.id_token, post_logout_redirect_uri: metadata.post_logout_redirect_uris[0] })
await client.tokenRevocation(config, again.refresh_token)
const revoked = await client.refreshTokenGrant(config, again.refresh_token).then(() => 'given', (error) => error.error)
tell({ claims: tokens.claims(), person, again, revoked, logout: logout.href })
process.exit()

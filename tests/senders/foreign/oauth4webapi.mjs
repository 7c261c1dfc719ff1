// A service built on oauth4webapi: client credentials with DPoP, once with every algorithm that both sides know.
import * as oauth from 'oauth4webapi'

const { issuer, metadata, algorithms } = JSON.parse(process.argv[2])
const insecure = { [oauth.allowInsecureRequests]: true }
const base = new URL(issuer)
const server = await oauth.processDiscoveryResponse(base, await oauth.discoveryRequest(base, { algorithm: 'oauth2', ...insecure }))
const client = { client_id: metadata.client_id }
const authentication = oauth.ClientSecretBasic(metadata.client_secret)
const answers = {}
for (const algorithm of algorithms) {
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(algorithm))
  const ask = async () =>
    oauth.processClientCredentialsResponse(
      server,
      client,
      await oauth.clientCredentialsGrantRequest(server, client, authentication, { scope: 'read' }, { DPoP, ...insecure }),
    )
  let retried = false
  const tokens = await ask().catch((error) => {
    if (!oauth.isDPoPNonceError(error)) throw error
    retried = true
    return ask()
  })
  answers[algorithm] = { tokens, retried, jkt: await DPoP.calculateThumbprint() }
}
console.log(JSON.stringify(answers))

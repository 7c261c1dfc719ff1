// An API guarded by express-oauth2-jwt-bearer, and jose beside it: what each says of a token.
import readline from 'node:readline/promises'
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'
import * as jose from 'jose'

const { issuer, audience } = JSON.parse(process.argv[2])
const app = express()
app.use(auth({ issuerBaseURL: issuer, audience, strict: true, dpop: { enabled: true } }))
app.get('/things', (request, response) => response.json({ sub: request.auth.payload.sub }))
app.use((error, _request, response, _next) => response.status(error.status ?? 500).json({ error: error.code ?? error.message }))
const listening = app.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ url: `http://127.0.0.1:${listening.address().port}/things` })))

const keys = jose.createRemoteJWKSet(new URL(`${issuer}/oauth/jwks`))
for await (const line of readline.createInterface({ input: process.stdin })) {
  const said = await jose
    .jwtVerify(JSON.parse(line), keys, { issuer, audience, typ: 'at+jwt', algorithms: ['ES256'] })
    .then(({ payload }) => ({ payload }), (error) => ({ error: error.code }))
  console.log(JSON.stringify(said))
}

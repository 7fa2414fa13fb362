// openid-client as its documentation shows it: discovery, tls_client_auth,
// use_mtls_endpoint_aliases, and undici to present the certificate. Reads one
// request from standard input, writes one outcome to standard output.
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import * as client from 'openid-client'
import * as undici from 'undici'

const request = JSON.parse(await text(process.stdin))

const agent = new undici.Agent({
  connect: {
    ca: readFileSync(request.ca),
    ...(request.cert && { cert: readFileSync(request.cert), key: readFileSync(request.key) }),
  },
})
const fetch = (url, options) => undici.fetch(url, { ...options, dispatcher: agent })

async function token() {
  const metadata = { use_mtls_endpoint_aliases: true }
  const options = { algorithm: 'oauth2', [client.customFetch]: fetch }
  const found = await client.discovery(new URL(request.issuer), request.client_id, metadata, client.TlsClientAuth(), options)
  // Both addresses are one at certbound; with the plain one made useless the token
  // can come from the alias only.
  const server = { ...found.serverMetadata(), token_endpoint: 'https://plain-endpoint.invalid/' }
  const config = new client.Configuration(server, request.client_id, metadata, client.TlsClientAuth())
  config[client.customFetch] = fetch
  return { status: 200, body: JSON.stringify(await client.clientCredentialsGrant(config)) }
}

async function api() {
  const config = new client.Configuration({ issuer: request.issuer }, request.client_id)
  config[client.customFetch] = fetch
  const response = await client.fetchProtectedResource(config, request.token, new URL(request.api), 'GET')
  return { status: response.status, body: await response.text() }
}

// refusal is what the library throws: the parsed body of the token endpoint, or
// the challenge of the API with the response it came in.
async function refusal(err) {
  const said = `${err.name} ${err.code}: ${err.error ?? err.message}`
  if (err.response && !err.response.bodyUsed) {
    return { status: err.status, body: await err.response.text(), said }
  }
  if (err.status) {
    return { status: err.status, body: JSON.stringify(err.cause), said }
  }
  throw err
}

const outcome = await (request.token ? api() : token()).catch(refusal)
process.stdout.write(JSON.stringify(outcome))
await agent.close()

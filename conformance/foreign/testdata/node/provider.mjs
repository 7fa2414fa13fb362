// node-oidc-provider as an authorization server for machines: mutual TLS, bound
// JWT access tokens, client credentials. Its argument is the configuration; it
// prints its issuer when it listens, on a free port of the loopback.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import Provider from 'oidc-provider'

const config = JSON.parse(readFileSync(process.argv[2]))

const server = createServer({
  cert: readFileSync(config.cert),
  key: readFileSync(config.key),
  ca: readFileSync(config.clients_ca),
  requestCert: true,
  rejectUnauthorized: false, // self-signed clients must get through the handshake
})

server.listen(0, '127.0.0.1', () => {
  const issuer = `https://localhost:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: config.clients,
    jwks: config.jwks,
    scopes: ['accounts:read', 'accounts:write'],
    clientAuthMethods: ['tls_client_auth', 'self_signed_tls_client_auth'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        getCertificate: (ctx) => ctx.socket.getPeerX509Certificate(),
        certificateAuthorized: (ctx) => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) =>
          property === 'tls_client_auth_san_dns' &&
          ctx.socket.getPeerX509Certificate().subjectAltName === `DNS:${expected}`,
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          audience: resource,
          scope: 'accounts:read accounts:write',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: config.alg } },
        }),
      },
    },
  })
  server.on('request', provider.callback())
  console.log(JSON.stringify({ issuer }))
})

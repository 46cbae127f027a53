import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import { createServer, request } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { Authority, TestSvid } from '@countersign/testkit'
import { createLocalJWKSet, exportJWK, type JSONWebKeySet, jwtVerify, type JWTPayload } from 'jose'
import { Provider } from 'oidc-provider'

/** The audience of the tokens. */
const audience = 'https://payments.saas.example'

/** A real authorization server that issues tokens bound to the certificate of the client (RFC 8705). */
export interface TokenIssuer extends AsyncDisposable {
  /** Requests a token over mTLS with client credentials. Without a certificate, the request fails. */
  readonly issue: (svid: TestSvid) => Promise<string>
  /** Verifies signature, issuer, audience and expiry, as an application would. */
  readonly verify: (token: string) => Promise<JWTPayload>
}

/** Starts `oidc-provider` on 127.0.0.1 with one client for each SPIFFE ID. */
export async function startTokenIssuer(
  authority: Authority,
  spiffeIds: readonly string[],
  isBound = true,
): Promise<TokenIssuer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const about = { kid: 'issuer', alg: 'ES256', use: 'sig' }
  const keys: JSONWebKeySet = { keys: [{ ...(await exportJWK(publicKey)), ...about }] }
  const own = await authority.issue(`spiffe://${authority.trustDomain}/ns/production/sa/issuer`)
  const server = createServer({
    key: own.keyPem,
    cert: own.certificatePem,
    ca: authority.bundlePem,
    requestCert: true,
    rejectUnauthorized: true,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `https://127.0.0.1:${portOf(server)}`
  const provider = createProvider(issuer, { ...(await exportJWK(privateKey)), ...about }, spiffeIds, isBound)
  server.on('request', (incoming, response) => void provider.callback()(incoming, response))
  return {
    issue: (svid) => requestToken(`${issuer}/token`, svid),
    verify: async (token) => (await jwtVerify(token, createLocalJWKSet(keys), { issuer, audience })).payload,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function createProvider(issuer: string, jwk: object, spiffeIds: readonly string[], isBound: boolean): Provider {
  const findCertificate = ({ socket }: { readonly socket: unknown }): TLSSocket | undefined =>
    socket instanceof TLSSocket ? socket : undefined
  return new Provider(issuer, {
    jwks: { keys: [jwk] },
    clients: spiffeIds.map((spiffeId) => ({
      client_id: spiffeId,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_uri: spiffeId,
      tls_client_certificate_bound_access_tokens: isBound,
      id_token_signed_response_alg: 'ES256',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    clientAuthMethods: ['tls_client_auth'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        getCertificate: (context) => findCertificate(context)?.getPeerX509Certificate()?.toString(),
        certificateAuthorized: (context) => findCertificate(context)?.authorized === true,
        certificateSubjectMatches: (context, _property, expected) =>
          findCertificate(context)?.getPeerX509Certificate()?.subjectAltName === `URI:${expected}`,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: 'payments',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  })
}

async function requestToken(url: string, svid: TestSvid): Promise<string> {
  const client = request(url, {
    method: 'POST',
    agent: false,
    key: svid.keyPem,
    cert: svid.certificatePem,
    rejectUnauthorized: false,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  const fields = { grant_type: 'client_credentials', client_id: svid.spiffeId ?? '', scope: 'payments' }
  client.end(new URLSearchParams(fields).toString())
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    client.once('response', resolve).once('error', reject)
  })
  const body = Buffer.concat(await response.toArray()).toString()
  const answer: unknown = JSON.parse(body)
  if (typeof answer !== 'object' || answer === null || !('access_token' in answer)) throw new Error(body)
  return String(answer.access_token)
}

function portOf(server: Pick<Server, 'address'>): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('expected a server that listens on a port')
  return address.port
}

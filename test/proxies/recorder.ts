import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import { TLSSocket } from 'node:tls'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { internalName, serviceId, type Workloads } from './workloads.ts'

/** A request as it arrived behind a proxy. */
export interface Recorded {
  readonly httpVersion: string
  readonly target: string
  /** Lower-case names, in the order of arrival. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The peer's URI SAN, in OpenSSL's text. */
  readonly peer: string | undefined
  /** The peer's serial number, in lower-case hex. */
  readonly serialNumber: string | undefined
}

/** A server without Countersign that records what proxies send. It demands a certificate of the trust domain. */
export interface Recorder {
  readonly port: number
  readonly requests: Recorded[]
  /** Closes idle connections as a guarded service does before a peer's SVID expires. */
  readonly closeConnections: () => void
  readonly close: () => Promise<void>
}

/** Who answers: the service, or something else at its address. */
export type Identity = 'service' | 'neighbour' | 'stranger'

export async function startRecorder(workloads: Workloads, identity: Identity = 'service'): Promise<Recorder> {
  const { authority } = workloads
  const svid = await issue(workloads, identity)
  const requests: Recorded[] = []
  const server = createSecureServer({
    allowHTTP1: true,
    minVersion: 'TLSv1.3',
    requestCert: true,
    ca: authority.bundlePem,
    key: svid.keyPem,
    cert: svid.certificatePem,
  })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
  })
  const sockets = new Set<TLSSocket>()
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => {
    const { rawHeaders, httpVersion, url } = request
    // HTTP/2 hands out a stand-in for the socket.
    const socket = 'stream' in request && request.stream !== undefined ? request.stream.session?.socket : request.socket
    const peer = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
    const headers = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 ? [[name.toLowerCase(), rawHeaders[index + 1] ?? ''] as const] : [],
    )
    requests.push({
      httpVersion,
      target: url ?? '',
      headers,
      peer: peer?.subjectAltName,
      serialNumber: peer?.serialNumber.toLowerCase(),
    })
    response.end('recorded')
  })
  const closeConnections = (): void => {
    for (const session of sessions) session.close()
    for (const socket of sockets) if (socket.alpnProtocol !== 'h2') socket.end()
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    requests,
    closeConnections,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      closeConnections()
      await closed
    },
  }
}

async function issue({ intermediate, callers }: Workloads, identity: Identity): Promise<TestSvid> {
  if (identity === 'neighbour') return callers.neighbour
  const issuer = identity === 'service' ? intermediate : await createAuthority('saas.example')
  return issuer.issue(serviceId, { dnsNames: [internalName] })
}

import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { TestSvid } from '@countersign/testkit'
import { publicName } from './workloads.ts'

export type SentHeaders = Readonly<Record<string, string | readonly string[]>>

/** What a caller received. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** A caller of a proxy or a service. Its requests share one connection, on which it verifies the server's name. */
export interface Caller {
  readonly call: (path: string, headers?: SentHeaders) => Promise<Answer>
  /** The same for a POST with these trailers. */
  readonly post: (path: string, trailers: Readonly<Record<string, string>>) => Promise<Answer>
  /** Resolves to the response when its headers have arrived. */
  readonly open: (path: string) => Promise<IncomingMessage>
  /** The newest TLS session that the server offered for resumption. */
  readonly session: () => Buffer | undefined
  readonly close: () => void
}

export interface CallerOptions {
  readonly port: number
  /** Null for a caller without a certificate. */
  readonly svid: TestSvid | null
  /** The authorities that the caller trusts. */
  readonly ca: string
  /** Default: the public name of the proxy. */
  readonly servername?: string
  /** A session to resume. */
  readonly session?: Buffer
}

export function createCaller({ port, svid, ca, servername = publicName, session }: CallerOptions): Caller {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    ca,
    servername,
    ...(session === undefined ? {} : { session }),
    ...(svid === null ? {} : { key: svid.keyPem, cert: svid.certificatePem }),
  })
  let offered: Buffer | undefined
  const start = (method: string, path: string, headers: SentHeaders): ClientRequest => {
    const sent = request({ host: '127.0.0.1', port, method, path, agent, headers: { host: servername } })
    sent.once('socket', (socket) => {
      if (socket instanceof TLSSocket && !sent.reusedSocket)
        socket.on('session', (ticket: Buffer) => (offered = ticket))
    })
    // Nothing that is called here takes longer, except streams, which send something all the time.
    sent.setTimeout(20_000, () => sent.destroy(new Error(`no response to ${method} ${path} within 20 seconds`)))
    for (const [name, value] of Object.entries(headers)) sent.setHeader(name, value)
    return sent
  }
  const call = async (path: string, headers: SentHeaders): Promise<Answer> => {
    const sent = start('GET', path, headers)
    try {
      return await readAnswer(await receive(sent.end()))
    } catch (error) {
      // A proxy may close an idle connection while the request is on its way, for example when it is reloaded.
      if (!sent.reusedSocket) throw error
      return call(path, headers)
    }
  }
  return {
    call: (path, headers = {}) => call(path, headers),
    post: async (path, trailers) => {
      const names = Object.keys(trailers).join(', ')
      const sent = start('POST', path, { 'content-type': 'text/plain', trailer: names, te: 'trailers' })
      sent.write('body')
      sent.addTrailers(trailers)
      return readAnswer(await receive(sent.end()))
    },
    open: (path) => receive(start('GET', path, {}).end()),
    session: () => offered,
    close: () => agent.destroy(),
  }
}

function receive(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => sent.once('response', resolve).once('error', reject))
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, text }
}

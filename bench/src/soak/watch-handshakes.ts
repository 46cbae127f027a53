import { request, type RequestOptions } from 'node:https'
import { TLSSocket } from 'node:tls'
import { setTimeout } from 'node:timers/promises'

/** The results of new connections. */
export interface Handshakes {
  readonly handshakes: number
  readonly failures: number
  /** The certificates that the service presented, each once, in order of appearance. */
  readonly serialNumbers: readonly string[]
}

/** Sends a request on a new connection ten times a second until it is stopped. */
export function watchHandshakes(options: RequestOptions): { stop(): Promise<Handshakes> } {
  const serialNumbers = new Set<string>()
  let handshakes = 0
  let failures = 0
  const stopped = new AbortController()
  const watch = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        serialNumbers.add(await readSerialNumber(options))
        handshakes += 1
      } catch {
        failures += 1
      }
      await setTimeout(100)
    }
  }
  const watching = watch()
  return {
    stop: async () => {
      stopped.abort()
      await watching
      return { handshakes, failures, serialNumbers: [...serialNumbers] }
    },
  }
}

// The server's name is in its SPIFFE ID, and the chain is still verified.
const checkServerIdentity = (): undefined => undefined

// Sends a request, because in TLS 1.3 a client completes its handshake before the server has verified it.
function readSerialNumber(options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    let serialNumber = ''
    const sent = request({ ...options, host: '127.0.0.1', agent: false, checkServerIdentity, timeout: 5000 })
    sent.once('socket', (socket) => {
      socket.once('secureConnect', () => {
        if (socket instanceof TLSSocket) serialNumber = socket.getPeerCertificate().serialNumber
      })
    })
    sent.once('timeout', () => sent.destroy(new Error('no response within 5 seconds')))
    sent.once('error', reject)
    sent.once('response', (response) => {
      response.resume()
      if (response.statusCode === 200) response.once('end', () => resolve(serialNumber))
      else reject(new Error(`found ${response.statusCode}, expected 200`))
    })
    sent.end()
  })
}

import { connect, createSecureContext, type SecureContext } from 'node:tls'

/** Makes full handshakes, `lanes` of them at a time, and waits until the server has closed each. */
export async function openConnections(port: number, contexts: readonly SecureContext[], lanes: number): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    for (;;) {
      const secureContext = contexts[next]
      next += 1
      if (secureContext === undefined) return
      await openConnection(port, secureContext)
    }
  }
  await Promise.all(Array.from({ length: lanes }, work))
}

/** The client's part of a handshake, prepared in advance because it is not part of the measurement. */
export function createContext(key: string, cert: string): SecureContext {
  return createSecureContext({ key, cert })
}

function openConnection(port: number, secureContext: SecureContext): Promise<void> {
  return new Promise((resolve, reject) => {
    let isSecure = false
    // The identity of the server is not part of the measurement.
    const socket = connect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
    socket.once('secureConnect', () => {
      isSecure = true
    })
    socket.once('error', reject)
    socket.once('close', () => {
      if (isSecure) resolve()
      else reject(new Error('a connection closed before its handshake'))
    })
    socket.resume()
  })
}

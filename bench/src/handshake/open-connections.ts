import { connect, createSecureContext, type SecureContext } from 'node:tls'

/** Makes one full handshake after another, `lanes` of them at a time, and waits until the server has ended each. */
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

/** The client's half of a handshake, made ahead: it is no part of what is measured. */
export function createContext(key: string, cert: string): SecureContext {
  return createSecureContext({ key, cert })
}

function openConnection(port: number, secureContext: SecureContext): Promise<void> {
  return new Promise((resolve, reject) => {
    let isSecure = false
    // Who the server is, is not what is measured.
    const socket = connect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
    socket.once('secureConnect', () => {
      isSecure = true
    })
    socket.once('error', reject)
    socket.once('close', () => {
      if (isSecure) resolve()
      else reject(new Error('found a connection that ended before its handshake'))
    })
    socket.resume()
  })
}

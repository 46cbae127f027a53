import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import type { ConnectionOptions } from 'node:tls'
import { type Load, LoadError, shareOut } from './load.ts'

/** Opens HTTP/2 sessions that each send one request after another. */
export async function openHttp2Load(
  { port, ...options }: ConnectionOptions,
  count: number,
  request: { readonly path: string; readonly status: number },
): Promise<Load> {
  const sessions = await Promise.all(
    Array.from({ length: count }, async () => {
      const session = connect(`https://127.0.0.1:${port}`, options)
      await once(session, 'connect')
      return session
    }),
  )
  const send = async (requests: number): Promise<void> => {
    const shares = shareOut(requests, count)
    await Promise.all(sessions.map((session, index) => sendInTurn(session, shares[index] ?? 0, request)))
  }
  await send(count)
  return {
    send,
    close: () => {
      for (const session of sessions) session.destroy()
    },
  }
}

function sendInTurn(
  session: ClientHttp2Session,
  requests: number,
  { path, status }: { readonly path: string; readonly status: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = requests
    const sendNext = (): void => {
      if (left === 0) {
        resolve()
        return
      }
      left -= 1
      const stream = session.request({ ':path': path })
      stream.once('response', ({ ':status': found }) => {
        if (found !== status) reject(new LoadError(`found ${found}, expected ${status}`))
      })
      stream.once('error', reject)
      stream.once('end', sendNext)
      stream.resume()
    }
    sendNext()
  })
}

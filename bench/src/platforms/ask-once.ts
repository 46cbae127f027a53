import { connect, type SecureContext } from 'node:tls'
import { path } from '../workload.ts'

/**
 * Opens one connection after another, `lanes` of them at a time, each with a full handshake and one request, and waits
 * until each is closed.
 *
 * @throws if an answer has another status
 */
export async function askOnceEach(
  port: number,
  contexts: readonly SecureContext[],
  { lanes, status }: { readonly lanes: number; readonly status: number },
): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    for (;;) {
      const context = contexts[next]
      next += 1
      if (context === undefined) return
      const answer = await askOnce(port, context)
      if (!answer.startsWith(`HTTP/1.1 ${status}`)) {
        throw new Error(`found the answer ${JSON.stringify(answer.slice(0, 200))}, expected the status ${status}`)
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, work))
}

function askOnce(port: number, secureContext: SecureContext): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    // The identity of the server is not what is measured.
    const socket = connect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
    socket.once('secureConnect', () => socket.write(request))
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1')
      // Envoy waits a second for the client to close.
      if (isComplete(answer)) socket.end()
    })
    socket.once('error', reject)
    socket.once('close', () => resolve(answer))
  })
}

const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`

function isComplete(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n')
  const [, length] = /\r\ncontent-length: (\d+)/i.exec(answer) ?? []
  return head !== -1 && answer.length >= head + 4 + Number(length ?? Number.NaN)
}

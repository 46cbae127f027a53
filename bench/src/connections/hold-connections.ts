/**
 * Opens connections, sends one request on each, and keeps them open until the process exits. Answers with the number of
 * open connections.
 */
import { connect, createSecureContext, type SecureContext } from 'node:tls'
import { answerMessages, hasNames } from '../measure/child-process.ts'
import type { HoldTask } from './connection-task.ts'

answerMessages(hasNames<HoldTask>('port', 'count', 'key', 'cert'), async ({ port, count, key, cert }) => {
  const secureContext = createSecureContext({ key, cert })
  let begun = 0
  const work = async (): Promise<void> => {
    while (begun < count) {
      begun += 1
      await open(port, secureContext)
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  return { answer: count, next: () => count }
})

function open(port: number, secureContext: SecureContext): Promise<void> {
  return new Promise((resolve, reject) => {
    // The identity of the server is not part of the measurement.
    const socket = connect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
    socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'))
    socket.once('data', () => resolve())
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('a connection closed, expected it to stay open')))
  })
}

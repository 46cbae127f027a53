/**
 * A server in a separate process that closes each connection as soon as it is established. Answers the first message
 * with its port, and later ones with its processor time so far.
 */
import { once } from 'node:events'
import { createServer } from 'node:https'
import { createGuard, permitAll, staticSource } from '@countersign/core'
import { answerMessages, hasNames, processorTime } from '../measure/child-process.ts'
import type { HandshakeTask } from './handshake-case.ts'

answerMessages(hasNames<HandshakeTask>('part', 'material'), async ({ part, material }) => {
  const guard = createGuard({
    source: staticSource(material),
    trustDomains: Object.keys(material.bundles),
    rules: [{ path: '/**', allow: permitAll() }],
  })
  const { key, cert, bundles } = material
  // With several trust domains, the options of a guard have no key until the server is attached.
  const ca = Object.values(bundles).flatMap((bundle) => (typeof bundle === 'string' ? [bundle] : []))
  const bare = { key: String(key), cert: String(cert), ca, requestCert: true, rejectUnauthorized: true }
  const options = part === 'everything' ? guard.tlsOptions() : { ...guard.tlsOptions(), ...bare }
  const server = createServer(options, (_request, response) => response.end())
  if (part === 'everything') guard.attach(server)
  if (part === 'address') server.on('connection', (socket) => void Reflect.get(socket, 'remoteAddress'))
  if (part === 'session') server.on('secureConnection', (socket) => void socket.getSession())
  server.on('secureConnection', (socket) => socket.end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('found a server without a port')
  return { answer: address.port, next: processorTime }
})

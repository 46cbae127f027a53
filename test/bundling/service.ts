import { authenticated, createGuard, fileSource, hasAuthority } from '@countersign/core'
import { createFetch } from '@countersign/client'
import { countersign, createServer } from '@countersign/express'
import fastifyCountersign from '@countersign/fastify'
import { policyFiles } from '@countersign/policy'
import { createAuthority, serve } from '@countersign/testkit'
import { startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource } from '@countersign/workload-api'
import websocket from '@fastify/websocket'
import express from 'express'
import Fastify from 'fastify'
import { WebSocket } from 'ws'

/*
 * A service that is bundled into one file and run elsewhere. It prints a line for each thing that a bundler may break.
 */

const ours = 'spiffe://saas.example/ns/production/sa/billing'
const callerId = 'spiffe://saas.example/ns/production/sa/core-api'

async function main(): Promise<void> {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(ours)
  const rules = [
    { path: '/admin/**', allow: hasAuthority('SERVICE_admin') },
    { path: '/**', allow: authenticated() },
  ]
  const guard = createGuard({ source, rules, log: () => undefined })

  const app = express()
  app.set('case sensitive routing', true)
  app.use(countersign(guard))
  // A mounted application that ignores the case of paths.
  const mounted = express()
  mounted.get(['/admin/keys', '/hello'], (_request, response) => void response.send('handled'))
  app.use(mounted)
  const server = createServer(guard, app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const fetch = createFetch(await authority.source(callerId), { servers: [ours] })
  for (const path of ['/hello', '/admin/keys', '/ADMIN/keys']) {
    const { status } = await fetch(`https://127.0.0.1:${port}${path}`)
    print(`Express ${path}`, status)
  }
  await fetch.close()
  server.close()

  const fastify = Fastify({ https: guard.tlsOptions() })
  await fastify.register(fastifyCountersign, { guard })
  fastify.get('/hello', () => 'handled')
  print('Fastify', (await authority.as(callerId).inject(fastify, '/hello')).statusCode)

  // Without rules an upgrade is decided only by its route.
  const routed = createGuard({ source, log: () => undefined })
  const chat = Fastify({ https: routed.tlsOptions() })
  await chat.register(fastifyCountersign, { guard: routed })
  await chat.register(websocket)
  chat.get('/chat', { websocket: true, config: { allow: authenticated() } }, (socket) => socket.send('hello'))
  await chat.listen({ host: '127.0.0.1', port: 0 })
  const { keyPem: key, certificatePem: cert } = await authority.issue(callerId)
  const client = new WebSocket(`${chat.listeningOrigin.replace('https', 'wss')}/chat`, {
    key,
    cert,
    rejectUnauthorized: false,
  })
  print('websocket', await new Promise((resolve) => client.on('message', resolve).on('error', resolve)))
  client.terminate()
  await chat.close()

  await using running = await serve(guard, (_request, response) => void response.end('handled'))
  print('plain', (await running.as(await authority.issue(callerId)).fetch('/')).status)

  await using agent = await startAgent({ trustDomain: 'saas.example', entries: [{ spiffeId: ours }] })
  await using live = await workloadApiSource({ endpoint: agent.endpoint })
  print('Workload API', live.current.svid.spiffeId)
  const failure = await workloadApiSource({ endpoint: 'unix:///run/nobody.sock', timeoutMs: 200 }).catch(nameOf)
  print('no agent', failure)

  const stores = process.env['KEY_STORES'] ?? ''
  await using files = await fileSource({
    keyStore: { path: `${stores}/openssl.p12`, passphrase: 'changeit' },
    bundles: { 'saas.example': `${stores}/root.pem` },
  })
  print('PKCS#12', files.current.svid.spiffeId)

  await using documents = await policyFiles(process.env['POLICIES'] ?? '')
  print('documents', documents.current.policies?.[0]?.declaredAt)
  try {
    createGuard({ source, rules: [] })
  } catch (error) {
    print('no rules', nameOf(error))
  }
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no error'
  const causes = error.cause === undefined ? '' : ` < ${nameOf(error.cause)}`
  return `${error.name}${causes}`
}

function print(what: string, found: unknown): void {
  process.stdout.write(`${what}: ${String(found)}\n`)
}

void main()

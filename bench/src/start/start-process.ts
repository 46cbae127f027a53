/**
 * Starts one server as a service would, and answers with the milliseconds from process start until it listens, of time
 * and of processor time. Key and certificates come from the environment, so that nothing is loaded to receive them.
 */
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Guard } from '@countersign/core'

const { BENCH_KEY: key = '', BENCH_CERT: cert = '', BENCH_CA: ca = '', BENCH_SUBJECT: subject = '' } = process.env
const bare = { key, cert, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const

await (subject.startsWith('Fastify') ? startFastify(subject) : startExpress(subject))
const { user, system } = process.cpuUsage()
process.send?.({ elapsed: performance.now(), processor: (user + system) / 1000 }, () => process.exit())

async function startFastify(which: string): Promise<void> {
  const { default: Fastify } = await import('fastify')
  if (which.endsWith('bare')) {
    const app = Fastify({ https: bare })
    app.get('/internal', () => ({}))
    await app.listen({ host: '127.0.0.1', port: 0 })
    return
  }
  const { default: countersign } = await import('@countersign/fastify')
  const guard = await create()
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/internal', () => ({}))
  await app.listen({ host: '127.0.0.1', port: 0 })
}

async function startExpress(which: string): Promise<void> {
  const { default: express } = await import('express')
  const app = express()
  if (which.endsWith('bare')) {
    const { createServer } = await import('node:https')
    app.get('/internal', (_request, response) => void response.json({}))
    await listen(createServer(bare, app))
    return
  }
  const { countersign, createServer } = await import('@countersign/express')
  const guard = await create()
  app.use(countersign(guard))
  app.get('/internal', (_request, response) => void response.json({}))
  await listen(createServer(guard, app))
}

async function create(): Promise<Guard> {
  const { authenticated, createGuard, staticSource } = await import('@countersign/core')
  const source = staticSource({ key, cert, bundles: { 'saas.example': ca } })
  return createGuard({ source, rules: [{ path: '/internal/**', allow: authenticated() }] })
}

function listen(server: Server): Promise<AddressInfo | string | null> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address()))
  })
}

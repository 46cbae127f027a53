import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import type { TestSvid } from '@countersign/testkit'
import { optionsFor, writeFiles } from '../source/files.ts'

/** How a worker serves. */
export const clusterServers = ['https', 'http2', 'Express', 'Fastify', 'Fastify, HTTP/2'] as const

/** Two workers of node:cluster that share the ports of the same guarded servers. */
export interface Cluster {
  /** One port for each of `clusterServers`. */
  readonly ports: readonly number[]
  /** The ticket keys of each worker's servers, in hex. */
  readonly ticketKeys: readonly (readonly string[])[]
  /** The workers read key, certificate and bundle from here, and again after changes. */
  readonly folder: string
}

/**
 * Starts the workers and waits until both listen.
 *
 * @param policy which process accepts connections: `rr` the primary, `none` the workers
 * @param bundles with that of partner.example, OpenSSL has no authorities
 */
export async function startCluster(
  context: TestContext,
  policy: 'rr' | 'none',
  svid: TestSvid,
  [bundle, partner]: readonly [ours: string, partner?: string],
): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-cluster-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFiles(folder, svid, bundle)
  const options = optionsFor(folder)
  const partnerFile = join(folder, 'partner.pem')
  if (partner !== undefined) writeFileSync(partnerFile, partner)
  const federated = partner === undefined ? {} : { 'partner.example': partnerFile }
  const bundles = { ...options.bundles, ...federated }
  const program = join(folder, 'program.mjs')
  writeFileSync(program, programText)
  const child = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      NODE_CLUSTER_SCHED_POLICY: policy,
      SOURCE: JSON.stringify({ ...options, bundles, pollMs: 1000 }),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // The workers exit when their channel to the primary closes.
  context.after(() => child.kill('SIGKILL'))
  const ready: Ready[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    ready.push(parseReady(line))
    if (ready.length === 2) break
  }
  const [first] = ready
  if (first === undefined || ready.length < 2)
    throw new Error(`expected two workers that listen, found ${ready.length}`)
  return { ports: first.ports, ticketKeys: ready.map(({ ticketKeys }) => ticketKeys), folder }
}

interface Ready {
  readonly ports: readonly number[]
  readonly ticketKeys: readonly string[]
}

function parseReady(line: string): Ready {
  const value: unknown = JSON.parse(line)
  const read = (name: string): unknown => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : [])
  const [ports, ticketKeys] = [read('ports'), read('ticketKeys')]
  if (!Array.isArray(ports) || !Array.isArray(ticketKeys))
    throw new Error(`expected what a worker reports, found ${line}`)
  return { ports: ports.map(Number), ticketKeys: ticketKeys.map(String) }
}

const at = (specifier: string): string => JSON.stringify(import.meta.resolve(specifier))

// In a file, because node:cluster only runs files. The response names the worker.
const programText = `
import cluster from 'node:cluster'
import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import { authenticated, createGuard, fileSource } from ${at('@countersign/core')}
import { forAdapter, isDenial } from ${at('@countersign/core/adapter')}
import { countersign, createServer } from ${at('@countersign/express')}
import plugin from ${at('@countersign/fastify')}
import express from ${at('express')}
import Fastify from ${at('fastify')}

if (cluster.isPrimary) {
  for (const _ of [1, 2]) {
    const worker = cluster.fork()
    worker.on('message', (message) => console.log(JSON.stringify(message)))
    worker.on('exit', () => process.exit(1))
  }
} else {
  const source = await fileSource(JSON.parse(process.env.SOURCE))
  const rules = [{ path: '/**', allow: authenticated() }]
  const trustDomains = [...source.current.bundles.keys()]
  const create = () => createGuard({ source, trustDomains, rules, tls: { minVersion: 'TLSv1.2' }, log: () => undefined })
  const text = (principal, socket) => JSON.stringify({ name: principal.name, worker: process.pid, resumed: socket.isSessionReused() })
  const listen = async (server) => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  const handler = (guard) => (request, response) => {
    const verdict = forAdapter(guard).admit(request)
    if (isDenial(verdict)) return response.writeHead(verdict.status).end()
    return response.end(text(verdict, request.socket))
  }
  const starters = {
    async https() {
      const guard = create()
      const server = https.createServer(guard.tlsOptions(), handler(guard))
      guard.attach(server)
      return listen(server)
    },
    async http2() {
      const guard = create()
      const server = http2.createSecureServer({ ...guard.tlsOptions(), allowHTTP1: true })
      guard.attach(server)
      server.on('request', handler(guard))
      return listen(server)
    },
    async Express() {
      const guard = create()
      const app = express()
      app.use(countersign(guard))
      app.get('/', (request, response) => response.send(text(request.principal, request.socket)))
      return listen(createServer(guard, app))
    },
    async Fastify(options = {}) {
      const guard = create()
      const app = Fastify({ https: { ...guard.tlsOptions(), allowHTTP1: true }, ...options })
      await app.register(plugin, { guard })
      app.get('/', (request, reply) => reply.send(text(request.principal, request.raw.socket)))
      await app.listen({ port: 0, host: '127.0.0.1' })
      return app.server
    },
    'Fastify, HTTP/2': () => starters.Fastify({ http2: true }),
  }
  const servers = []
  for (const name of ${JSON.stringify(clusterServers)}) servers.push(await starters[name]())
  process.send({
    ports: servers.map((server) => server.address().port),
    ticketKeys: servers.map((server) => server.getTicketKeys().toString('hex')),
  })
}
`

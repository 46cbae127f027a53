/** The service of a soak in which both ends rotate, in a separate process: `server.ts <framework> <endpoint>`. */
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { createGuard, type Principal } from '@countersign/core'
import { countersign, createServer } from '@countersign/express'
import fastifyPlugin from '@countersign/fastify'
import { workloadApiSource } from '@countersign/workload-api'
import express from 'express'
import Fastify from 'fastify'
import { path, rules } from '../../workload.ts'
import { recordMemory } from '../record-memory.ts'
import { countCertificates } from './count-certificates.ts'

const [, , framework, endpoint = ''] = process.argv
const guard = createGuard({ source: await workloadApiSource({ endpoint }), rules })
const memory = recordMemory()
const certificates = countCertificates()
process.on('message', () => process.send?.({ serviceMemory: memory, callerCertificates: certificates.size }))
process.once('disconnect', () => process.exit())
process.send?.(await (framework === 'Express' ? startExpress() : startFastify()))

async function startFastify(): Promise<number> {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(fastifyPlugin, { guard })
  app.get(path, async ({ principal }) => answer(principal))
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

async function startExpress(): Promise<number> {
  const app = express()
  app.use(countersign(guard))
  app.get(path, (request, response) => {
    void answer(request.principal).then((body) => response.json(body))
  })
  const server = createServer(guard, app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

// Returns the time until which the caller is authenticated. Every fiftieth response takes a while, so that rotations
// happen during responses.
let count = 0
async function answer(principal: Principal | null | undefined): Promise<{ readonly expiresAt: number }> {
  count += 1
  if (count % 50 === 0) await setTimeout(300)
  return { expiresAt: principal?.expiresAt ?? 0 }
}

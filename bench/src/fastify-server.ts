import countersign from '@countersign/fastify'
import type { Guard } from '@countersign/core'
import Fastify from 'fastify'
import type { CpuMeter } from './cpu-meter.ts'
import { isListed } from './handwritten-check.ts'
import type { Check } from './subject.ts'
import { callerId, path } from './workload.ts'

/** Starts a Fastify server with one route; gives its port. TLS is the same whatever the check. */
export async function startFastify(guard: Guard, check: Check, meter: CpuMeter): Promise<number> {
  const app = Fastify({ https: guard.tlsOptions() })
  if (check === 'countersign') await app.register(countersign, { guard })
  if (check === 'handwritten') {
    app.addHook('onRequest', (request, reply, done) => {
      if (isListed(request.raw.socket, request.url)) done()
      else reply.code(403).send({ title: 'Forbidden' })
    })
  }
  app.get(path, check === 'countersign' ? { config: { allow: [callerId] } } : {}, (_request, reply) => {
    meter.count()
    reply.send({ invoices: [] })
  })
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

import countersign from '@countersign/fastify'
import type { Guard } from '@countersign/core'
import Fastify, { type FastifyInstance, type RouteShorthandOptions } from 'fastify'
import { addPart } from './attribution/add-part.ts'
import { isListed } from './handwritten-check.ts'
import { type Check, isNarrowed, type Meter, type ServerVariant, usesAdapter } from './subject.ts'
import { callerId, path } from './workload.ts'

/** Starts a Fastify server with one route and returns its port. The TLS options are the same for every check. */
export async function startFastify(
  guard: Guard,
  check: Check,
  meter: Meter,
  { http = 1, refusal }: ServerVariant = {},
): Promise<number> {
  // The types of HTTP/2 differ, but not in anything that is used here.
  const protocol: object = http === 2 ? { http2: true } : {}
  const app: FastifyInstance = Fastify({ ...protocol, https: guard.tlsOptions() })
  if (usesAdapter(check)) await app.register(countersign, { guard })
  addPart(check, app.server, guard)
  if (check === 'property') app.decorateRequest('principal', null)
  if (check === 'empty' || check === 'property') {
    app.addHook('onRequest', (request, _reply, done) => {
      if (check === 'property') Reflect.set(request, 'principal', callerId)
      done()
    })
  }
  if (check === 'handwritten') {
    app.addHook('onRequest', (request, reply, done) => {
      if (isListed(request.raw.socket, request.url)) done()
      else reply.code(403).send({ title: 'Forbidden' })
    })
  }
  const options: RouteShorthandOptions = isNarrowed(guard, check) ? { config: { allow: [callerId] } } : {}
  app.get(path, options, (_request, reply) => {
    meter.count()
    if (refusal === undefined) reply.send({ invoices: [] })
    else {
      reply.code(403).headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
      reply.send(Buffer.from(refusal))
    }
  })
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
}

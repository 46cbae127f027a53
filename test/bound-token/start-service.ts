import {
  authenticated,
  type CountersignEvent,
  createGuard,
  type DenialEvent,
  type Guard,
  type GuardOptions,
  type X509Source,
} from '@countersign/core'
import { countersign as countersignExpress, requireBoundToken as requireInExpress } from '@countersign/express'
import countersign, { type BoundTokenOptions, requireBoundToken } from '@countersign/fastify'
import { type Peer, type Running, serve, type TestSvid } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'

export const names = ['Fastify, HTTP/1.1', 'Fastify, HTTP/2', 'Express, HTTP/1.1'] as const

export type Name = (typeof names)[number]

/** A service whose route `/payments` needs a bound token. */
export interface Service extends AsyncDisposable {
  readonly running: Running
  /** How often the handler ran. */
  readonly handled: () => number
  readonly denials: readonly DenialEvent[]
  /** The first denial. */
  readonly denied: Promise<DenialEvent>
  as(svid: TestSvid | null): Peer
}

const rules = [{ path: '/**', allow: authenticated() }]

/** Starts the service in one of its variants. */
export async function startService(
  name: Name,
  source: X509Source,
  options: BoundTokenOptions,
  more: Partial<GuardOptions> = {},
): Promise<Service> {
  const denials: DenialEvent[] = []
  let notify: (denial: DenialEvent) => void = () => undefined
  const denied = new Promise<DenialEvent>((resolve) => (notify = resolve))
  const log = (event: CountersignEvent): void => {
    if (event.type !== 'denial') return
    denials.push(event)
    notify(event)
  }
  const guard = createGuard({ source, rules, log, ...more })
  let handled = 0
  const handle = (): string => {
    handled += 1
    return 'paid'
  }
  const running = await starters[name](guard, options, handle)
  return {
    running,
    handled: () => handled,
    denials,
    denied,
    as: (svid) => running.as(svid, { http2: name === 'Fastify, HTTP/2' }),
    [Symbol.asyncDispose]: () => running.close(),
  }
}

type Start = (guard: Guard, options: BoundTokenOptions, handle: () => string) => Promise<Running>

const startExpress: Start = (guard, options, handle) => {
  const app = express()
  app.use(countersignExpress(guard))
  app.get('/payments', requireInExpress(options), (_request, response) => void response.end(handle()))
  app.get('/open', (_request, response) => void response.end('open'))
  return serve(guard, app)
}

const startFastify: Start = async (guard, options, handle) => {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/payments', { onRequest: requireBoundToken(options) }, handle)
  app.get('/open', () => 'open')
  return serve(guard, app)
}

const startHttp2: Start = async (guard, options, handle) => {
  const app = Fastify({ http2: true, https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/payments', { onRequest: requireBoundToken(options) }, handle)
  app.get('/open', () => 'open')
  return serve(guard, app)
}

const starters: Readonly<Record<Name, Start>> = {
  'Fastify, HTTP/1.1': startFastify,
  'Fastify, HTTP/2': startHttp2,
  'Express, HTTP/1.1': startExpress,
}

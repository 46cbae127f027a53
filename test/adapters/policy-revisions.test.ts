import assert from 'node:assert/strict'
import { once } from 'node:events'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test, type TestContext } from 'node:test'
import {
  channels,
  type CountersignEvent,
  createGuard,
  createReplaceablePolicies,
  type Guard,
  type PolicySet,
} from '@countersign/core'
import { countersign as countersignExpress } from '@countersign/express'
import countersign from '@countersign/fastify'
import { createAuthority, type Running, serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { idOf } from './credential-service.ts'
import { waitUntil } from '../support/wait-until.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
const orders = await authority.issue(idOf('orders'))

/** Allows every path of its own revision, and denies the others. */
function allowing(revision: string, path: string): PolicySet {
  return { revision, policies: [{ name: `allow-${revision}`, action: 'ALLOW', to: [{ paths: [path] }] }] }
}

/** Lets requests wait before the adapter's hook or middleware, until it is released. */
interface Gate {
  readonly arrived: () => Promise<void>
  readonly release: () => void
  readonly wait: () => Promise<void>
}

describe('a request keeps the revision with which it began', () => {
  for (const [framework, start] of [
    ['Fastify', startFastify],
    ['Express', startExpress],
  ] as const) {
    for (const target of ['/old/plain', '/old/rewritten']) {
      test(`${framework}: ${target}, while policies are replaced`, async (context) => {
        const decisions = followDecisions(context)
        const policies = createReplaceablePolicies(allowing('r1', '/old/**'))
        const loaded: string[] = []
        const log = (event: CountersignEvent): void => {
          if (event.type === 'policy' && event.outcome === 'loaded') loaded.push(String(event.revision))
        }
        const guard = createGuard({ source, policies, log })
        const gate = createGate()
        const running = await start(guard, gate)
        context.after(() => running.close())
        const first = running.as(orders).fetch(target)
        await gate.arrived()
        policies.replace(allowing('r2', '/new/**'))
        await waitUntil(() => loaded.at(-1) === 'r2')
        gate.release()
        assert.equal((await first).status, 200)
        assert.equal((await running.as(orders).fetch(target)).status, 403)
        assert.equal((await running.as(orders).fetch('/new/plain')).status, 200)
        assert.deepEqual(
          decisions.map(({ effect, revision, policy }) => [effect, revision, policy]),
          [
            ['allow', 'r1', 'allow-r1'],
            ['deny', 'r2', undefined],
            ['allow', 'r2', 'allow-r2'],
          ],
        )
      })
    }
  }
})

async function startFastify(guard: Guard, gate: Gate): Promise<Running> {
  const app = Fastify({
    https: guard.tlsOptions(),
    rewriteUrl: ({ url = '' }) => (url === '/old/rewritten' ? '/old/again' : url),
  })
  app.addHook('onRequest', async () => {
    await gate.wait()
  })
  await app.register(countersign, { guard })
  app.get('/*', () => 'served')
  return serve(guard, app)
}

function startExpress(guard: Guard, gate: Gate): Promise<Running> {
  const app = express()
  app.use(async (request, _response, next) => {
    await gate.wait()
    if (request.url === '/old/rewritten') request.url = '/old/again'
    next()
  })
  app.use(countersignExpress(guard))
  app.use((_request, response) => void response.end('served'))
  return serve(guard, app)
}

function createGate(): Gate {
  const events = new EventTarget()
  let isOpen = false
  let hasArrived = false
  return {
    arrived: async () => {
      if (!hasArrived) await once(events, 'arrived')
    },
    release: () => {
      isOpen = true
      events.dispatchEvent(new Event('open'))
    },
    wait: async () => {
      hasArrived = true
      events.dispatchEvent(new Event('arrived'))
      if (!isOpen) await once(events, 'open')
    },
  }
}

interface Decided {
  readonly effect: string
  readonly revision?: string
  readonly policy?: string
}

function followDecisions(context: TestContext): readonly Decided[] {
  const decisions: Decided[] = []
  const listener = (event: unknown): void => {
    if (isDecided(event)) decisions.push(event)
  }
  subscribe(channels.decision, listener)
  context.after(() => unsubscribe(channels.decision, listener))
  return decisions
}

function isDecided(event: unknown): event is Decided {
  return typeof event === 'object' && event !== null && 'effect' in event
}

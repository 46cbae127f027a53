import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import {
  createGuard,
  createReplaceablePolicies,
  type CountersignEvent,
  type Policy,
  type PolicyFrom,
  type PolicySet,
  type PolicyTo,
  type Requirement,
  type Rule,
} from '@countersign/core'
import { allow as allowExpress, countersign as countersignExpress, createServer } from '@countersign/express'
import countersign from '@countersign/fastify'
import { createAuthority, type Peer, Running, serve } from '@countersign/testkit'
import express from 'express'
import {
  type Arbitrary,
  array,
  assert as checkProperty,
  asyncProperty,
  constant,
  constantFrom,
  option,
  record,
  subarray,
  tuple,
} from 'fast-check'
import Fastify from 'fastify'
import { scale } from '../support/long.ts'

const id = (account: string): string => `spiffe://saas.example/ns/production/sa/${account}`
const ours = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const source = await ours.source(id('billing'), { federated: [partner] })
const svids = {
  orders: await ours.issue(id('orders')),
  admin: await ours.issue(id('admin-ui')),
  staging: await ours.issue('spiffe://saas.example/ns/staging/sa/orders'),
  partner: await partner.issue('spiffe://partner.example/ns/production/sa/orders'),
}
const narrowed: Requirement = { hasAnyAuthority: ['SERVICE_orders', 'NAMESPACE_staging'] }

const requests: readonly { readonly method: string; readonly path: string; readonly tenant?: string }[] = [
  { method: 'GET', path: '/invoices/1' },
  { method: 'POST', path: '/invoices/1' },
  { method: 'GET', path: '/admin/users', tenant: 'a' },
  { method: 'GET', path: '/caf%C3%A9/x', tenant: 'a, b' },
  { method: 'DELETE', path: '/' },
]

const from: Arbitrary<PolicyFrom> = pickFew({
  callers: constantFrom(['spiffe://saas.example/ns/production/**'], [id('orders')], ['spiffe://partner.example/**']),
  notServiceAccounts: constantFrom(['production/orders'], ['production/admin-ui']),
  namespaces: constant(['production', 'testing']),
  notNamespaces: constantFrom(['staging'], ['staging', 'default']),
  trustDomains: constantFrom(['saas.example'], ['partner.example']),
  authorities: constantFrom(['SERVICE_orders'], ['NAMESPACE_staging']),
  ipBlocks: constantFrom(['127.0.0.0/8'], ['10.0.0.0/8']),
  notRemoteIpBlocks: constantFrom(['127.0.0.1'], ['10.0.0.0/8']),
})

const to: Arbitrary<PolicyTo> = pickFew({
  methods: constantFrom(['GET'], ['POST', 'DELETE']),
  paths: constantFrom(['/**'], ['/invoices/*'], ['/admin/users', '/'], ['/café/x']),
  notPaths: constantFrom(['/admin/**'], ['/invoices/1']),
  notHosts: constantFrom(['127.0.0.1'], ['api.example']),
})

const shape = pickFew({
  from: array(from, { minLength: 1, maxLength: 2 }),
  to: array(to, { minLength: 1, maxLength: 2 }),
  when: constantFrom([{ header: 'x-tenant', values: ['a'] }], [{ header: 'x-tenant', notValues: ['b'] }]),
})

const policies: Arbitrary<readonly Policy[]> = array(tuple(constantFrom('ALLOW', 'DENY'), shape), { maxLength: 3 }).map(
  (entries) => entries.map(([action, each], index) => ({ name: `policy-${index}`, action, ...each })),
)

const rules: Arbitrary<readonly Rule[] | undefined> = option(
  constantFrom<readonly Rule[]>(
    [{ path: '/**', allow: { authenticated: true } }],
    [
      { path: '/admin/**', allow: { hasAuthority: 'SERVICE_admin-ui' } },
      { path: '/**', methods: ['GET', 'POST'], allow: { inTrustDomain: ['saas.example', 'partner.example'] } },
    ],
  ),
  { nil: undefined },
)

for (const framework of ['Fastify', 'Express'] as const) {
  test(`promise 14: neither a DENY policy nor a route's allow turns a denial into an allow (${framework})`, async (context) => {
    const service = await start(context, framework)
    const seen = { narrowed: 0, denied: 0, allowed: 0 }
    await checkProperty(
      asyncProperty(policies, shape, rules, async (base, denied, ruleList) => {
        const set = ruleList === undefined ? {} : { rules: ruleList }
        await service.replace({ ...set, policies: base })
        const plain = await service.ask('open')
        const routed = await service.ask('narrowed')
        await service.replace({ ...set, policies: [...base, { name: 'added', action: 'DENY', ...denied }] })
        const reduced = await service.ask('open')
        for (const [index, before] of plain.entries()) {
          if (before === 200) seen.allowed += 1
          if (routed[index] === 200) assert.equal(before, 200, 'a route allows what the rest denies')
          else if (before === 200) seen.narrowed += 1
          if (reduced[index] === 200) assert.equal(before, 200, 'a DENY policy allows what was denied without it')
          else if (before === 200) seen.denied += 1
        }
      }),
      { numRuns: scale(25, 400), endOnFailure: true },
    )
    for (const [what, count] of Object.entries(seen)) assert.ok(count > 3, `${what}: ${count}`)
  })
}

// With more fields, hardly any request would match.
function pickFew<Fields extends object>(fields: { readonly [Key in keyof Fields]: Arbitrary<Fields[Key]> }) {
  const names = Object.keys(fields)
  return tuple(subarray(names, { maxLength: 2 }), record(fields)).map(([kept, all]): Partial<Fields> => {
    const picked: Partial<Fields> = {}
    for (const name of kept) Reflect.set(picked, name, Reflect.get(all, name))
    return picked
  })
}

interface Service {
  readonly replace: (set: PolicySet) => Promise<void>
  /** Sends every request as every caller, to the service with or without a requirement of its routes. */
  readonly ask: (which: 'open' | 'narrowed') => Promise<readonly number[]>
}

async function start(context: TestContext, framework: 'Fastify' | 'Express'): Promise<Service> {
  const replaceable = createReplaceablePolicies({ policies: [] })
  // What each guard does once it has decided about the next set.
  const waiting = new Map<string, (event: CountersignEvent) => void>()
  const running = { open: await serveOne('open', undefined), narrowed: await serveOne('narrowed', narrowed) }
  const peers = Object.fromEntries(
    Object.entries(running).map(([which, each]) => [which, Object.values(svids).map((svid) => each.as(svid))]),
  )
  let count = 0
  return {
    replace: async (set) => {
      const revision = `r${(count += 1)}`
      const decided = Object.keys(running).map(
        (which) =>
          new Promise<void>((resolve, reject) => {
            waiting.set(which, (event) => {
              if (event.type !== 'policy') return
              if (event.outcome === 'refused') reject(new Error(event.detail))
              if (event.outcome === 'loaded' && event.revision === revision) resolve()
            })
          }),
      )
      replaceable.replace({ ...set, revision })
      await Promise.all(decided)
    },
    ask: async (which) => {
      const statuses: number[] = []
      for (const peer of peers[which] ?? []) {
        for (const request of requests) statuses.push(await statusOf(peer, request))
      }
      return statuses
    },
  }

  async function serveOne(which: string, allow: Requirement | undefined): Promise<Running> {
    const guard = createGuard({
      source,
      trustDomains: ['saas.example', 'partner.example'],
      namespaces: ['production'],
      policies: replaceable,
      log: (event) => waiting.get(which)?.(event),
    })
    const started = await (framework === 'Fastify' ? startFastify() : startExpress())
    context.after(() => started.close())
    return started

    async function startFastify(): Promise<Running> {
      const app = Fastify({ https: guard.tlsOptions() })
      await app.register(countersign, { guard })
      app.all('/*', { ...(allow !== undefined && { config: { allow } }) }, () => 'served')
      return serve(guard, app)
    }

    async function startExpress(): Promise<Running> {
      const app = express().use(countersignExpress(guard))
      if (allow !== undefined) app.all('/{*rest}', allowExpress(allow))
      app.use((_request, response) => void response.end('served'))
      const server = createServer(guard, app)
      await new Promise<void>((listening) => void server.listen(0, '127.0.0.1', listening))
      return new Running(server, () => new Promise((closed) => void server.close(() => closed())))
    }
  }
}

async function statusOf(peer: Peer, { method, path, tenant }: (typeof requests)[number]): Promise<number> {
  const response = await peer.fetch(path, { method, ...(tenant !== undefined && { headers: { 'x-tenant': tenant } }) })
  await response.text()
  return response.status
}

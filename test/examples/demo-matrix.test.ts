import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createGuard, type Guard, type MatrixCell, type MatrixRow, type PolicySet, type Rule } from '@countersign/core'
import { Peer } from '@countersign/testkit'
import { type Authorities, createAuthorities, createSource } from '../../examples/internal-api/src/callers.ts'
import { startExpress } from '../../examples/internal-api/src/express-service.ts'
import { startFastify } from '../../examples/internal-api/src/fastify-service.ts'
import { rules } from '../../examples/internal-api/src/services.ts'

const authorities = await createAuthorities()
const source = await createSource(authorities)
const trustDomains = ['saas.example', 'partner.example']

const policies: PolicySet = {
  policies: [
    {
      name: 'no partners',
      action: 'DENY',
      from: [{ trustDomains: ['partner.example'] }],
      to: [{ notPaths: ['/internal/health'] }],
    },
    { name: 'staging only reads', action: 'DENY', from: [{ namespaces: ['staging'] }], to: [{ notMethods: ['GET'] }] },
    { name: 'our services', action: 'ALLOW', from: [{ callers: ['spiffe://saas.example/ns/*/sa/*'] }] },
    {
      name: 'partners',
      action: 'ALLOW',
      from: [{ trustDomains: ['partner.example'] }],
      to: [{ paths: ['/internal/**'] }],
    },
  ],
}

const sets: Readonly<Record<string, { readonly rules: readonly Rule[]; readonly policies?: PolicySet }>> = {
  'the demo': { rules },
  'the demo with policies': { rules, policies },
}

for (const [framework, listen] of [
  ['Fastify', startFastify],
  ['Express', startExpress],
] as const) {
  for (const [name, set] of Object.entries(sets)) {
    test(`${framework}: every cell of the matrix of ${name} is what a real request gets`, async (t) => {
      const guard = createGuard({ ...set, source, trustDomains, log: () => undefined })
      const { port, close } = await listen(guard)
      t.after(close)
      const { effects, requests } = await compareCells(t, guard, port)

      assert.deepEqual([...effects].toSorted(), ['allow', 'deny'])
      assert.ok(requests > 20, `${requests} requests`)
    })
  }
}

async function compareCells(
  t: TestContext,
  guard: Guard,
  port: number,
): Promise<{ readonly effects: ReadonlySet<string>; readonly requests: number }> {
  const routes = ['/internal/billing/invoices', '/internal/analytics/reports', '/internal/health', '/metrics']
  const derived = guard.accessMatrix()
  const given = guard.accessMatrix({
    routes: routes.flatMap((path) => ['GET', 'POST'].map((method) => ({ method, path }))),
    callers: ['spiffe://saas.example/ns/staging/sa/core-api', 'spiffe://partner.example/ns/production/sa/core-api'],
  })
  const effects = new Set<string>()
  let requests = 0
  for (const matrix of [derived, given]) {
    for (const row of matrix.rows) {
      const peer = new Peer(port, await issueRow(row, authorities), {})
      t.after(() => peer.close())
      for (const [index, { example }] of matrix.routes.entries()) {
        const cell = row.cells[index]
        assert.ok(cell !== undefined)
        const response = await peer.fetch(example.path, { method: example.method })
        const found = isDenied(response, await response.text()) ? 'deny' : 'allow'
        assert.equal(found, cell.effect, describe(row, example, cell))
        effects.add(found)
        requests += 1
      }
    }
  }
  return { effects, requests }
}

/** Issues the SVID of a caller, or of the example of a class. */
function issueRow(
  { caller, example = caller }: MatrixRow,
  { ours, partner }: Authorities,
): ReturnType<Authorities['ours']['issue']> {
  return (example.startsWith('spiffe://partner.example/') ? partner : ours).issue(example)
}

// An allowed request may have no handler: 404 without a denial.
function isDenied({ status }: { readonly status: number }, body: string): boolean {
  if (status !== 403) return false
  assert.match(body, /access_denied/)
  return true
}

function describe(
  { caller }: MatrixRow,
  { method, path }: { readonly method: string; readonly path: string },
  { because }: MatrixCell,
): string {
  return `${caller} ${method} ${path}: ${because}`
}

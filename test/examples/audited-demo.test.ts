import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, createGuard, type Guard, hasAuthority, type Rule } from '@countersign/core'
import { Peer, type TestSvid } from '@countersign/testkit'
import { createAuthorities, createSource, issueFor } from '../../examples/internal-api/src/callers.ts'
import { calls, ended } from '../../examples/internal-api/src/calls.ts'
import { startExpress } from '../../examples/internal-api/src/express-service.ts'
import { startFastify } from '../../examples/internal-api/src/fastify-service.ts'
import { assertSameDecision, followDecisions } from '../adapters/audit-pair.ts'

const authorities = await createAuthorities()
const source = await createSource(authorities)
const trustDomains = ['saas.example', 'partner.example']
const audit = { until: new Date(Date.now() + 3_600_000).toISOString() }

const permitting: readonly Rule[] = [{ path: '/**', allow: authenticated() }]
const enforcing: readonly Rule[] = [
  { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
  { path: '/internal/**', allow: authenticated() },
]

for (const [framework, listen] of [
  ['Fastify', startFastify],
  ['Express', startExpress],
] as const) {
  test(`${framework}: an audit of the demo with rules that deny a third of its calls changes no answer, and reports each denial`, async (context) => {
    const published = followDecisions(context)
    const start = async (rules: readonly Rule[], mode: { mode?: { audit: typeof audit } } = {}) => {
      const guard: Guard = createGuard({ source, rules, trustDomains, log: () => undefined, ...mode })
      const { port, close } = await listen(guard)
      context.after(close)
      return { guard, port }
    }
    const audited = await start(enforcing, { mode: { audit } })
    const second = await start(enforcing)
    const without = await start(permitting)
    let [answered, denied] = [0, 0]
    for (const { caller, request, expected } of calls) {
      if (request === 'connection at expiry') continue
      const what = `${caller}: ${request}`
      // A new certificate each time, so that none has expired.
      const svid = await issueFor(caller, authorities)
      const ask = ({ port }: { readonly port: number }): Promise<string> => call(context, port, svid, request)
      if (expected.seen === ended && caller !== 'core-api, for 3 seconds') {
        // Nothing but a certificate authenticates a caller, in any mode.
        for (const service of [audited, second, without]) await assert.rejects(ask(service), what)
        continue
      }
      let answer = ''
      const would = await published.during(async () => (answer = await ask(audited)))
      const does = await published.during(() => ask(second))
      let unchanged = ''
      await published.during(async () => (unchanged = await ask(without)))
      assert.equal(answer, unchanged, what)
      assertSameDecision(would, does, what)
      answered += 1
      if (does.at(-1)?.effect === 'deny') denied += 1
    }
    assert.ok(denied / answered > 0.3 && denied / answered < 0.4, `${denied} of ${answered}`)
    assert.equal(audited.guard.auditReport().requests, denied)
    assert.equal(published.audits.length, denied)
  })
}

/** Sends one request, and returns the status and the body of the answer. */
async function call(
  context: { after(close: () => void): void },
  port: number,
  svid: TestSvid | null,
  path: string,
): Promise<string> {
  const peer = new Peer(port, svid, {})
  context.after(() => peer.close())
  const response = await peer.fetch(path)
  return `${response.status} ${await response.text()}`
}

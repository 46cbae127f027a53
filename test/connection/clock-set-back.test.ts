import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, type CountersignEvent, createGuard } from '@countersign/core'
import { createAuthority, serve } from '@countersign/testkit'

test('a leaf that was verified before the clock was set back is refused while the clock is before its notBefore', async (context) => {
  const real = Date.now
  let ahead = 0
  context.mock.method(Date, 'now', () => real() + ahead)
  const authority = await createAuthority('saas.example')
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const refused: CountersignEvent[] = []
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: authenticated() }],
    log: (event) => refused.push(event),
  })
  const running = await serve(guard, (_request, response) => response.end())
  context.after(() => running.close())
  const svid = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
  const call = (): Promise<number | undefined> =>
    running
      .as(svid)
      .fetch('/')
      .then(
        ({ status }) => status,
        () => undefined,
      )
  assert.equal(await call(), 200)
  ahead = -3_600_000
  assert.equal(await call(), undefined)
  assert.ok(refused.some((event) => event.type === 'authentication' && event.reason === 'not_yet_valid'))
  ahead = 0
  assert.equal(await call(), 200)
})

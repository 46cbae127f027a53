import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import {
  authenticated,
  channels,
  type CountersignEvent,
  createGuard,
  denyAll,
  type GuardOptions,
} from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { createAuthority, serve, type TestSvid } from '@countersign/testkit'
import { admitNow } from '../support/admit-now.ts'

const authority = await createAuthority('saas.example')
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
const rules = [
  { path: '/closed', allow: denyAll() },
  { path: '/**', allow: authenticated() },
]

async function ask(
  options: Partial<GuardOptions>,
  path: string,
  peer: TestSvid = caller,
): Promise<{ readonly response: Response; readonly body: string; readonly events: readonly CountersignEvent[] }> {
  const events: CountersignEvent[] = []
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const guard = createGuard({ source, rules, log: (event) => events.push(event), ...options })
  await using running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    if (!isDenial(verdict)) return response.end(verdict.authorities.join())
    const answer = forAdapter(guard).answer(verdict, request)
    return answer === undefined ? undefined : response.writeHead(answer.status, { ...answer.headers }).end(answer.body)
  })
  const response = await running.as(peer).fetch(path)
  return { response, body: await response.text(), events }
}

test('answers a denial with problem details that contain only code and id', async () => {
  const { response, body } = await ask({}, '/closed')
  assert.equal(response.status, 403)
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  assert.equal(response.headers.get('cache-control'), 'no-store')
  assert.match(
    body,
    /^{"type":"about:blank","title":"Forbidden","status":403,"instance":"urn:uuid:[0-9a-f-]{36}","code":"access_denied"}$/,
  )
})

test("formats denials with the application's function", async () => {
  const formatDenial = ({ code }: { readonly code: string }): { contentType: string; body: string } => ({
    contentType: 'text/plain',
    body: `no: ${code}`,
  })
  const { response, body } = await ask({ formatDenial }, '/closed')
  assert.equal(response.headers.get('content-type'), 'text/plain')
  assert.equal(body, 'no: access_denied')
})

for (const [name, formatDenial] of [
  ['throws', () => assert.fail('broken')],
  ['returns nothing', () => undefined],
  ['smuggles a header', () => ({ contentType: 'text/plain\r\nx: y', body: '' })],
] as const) {
  test(`falls back to problem details if the application's format ${name}`, async () => {
    const options = {}
    Reflect.set(options, 'formatDenial', formatDenial)
    const { response } = await ask(options, '/closed')
    assert.equal(response.headers.get('content-type'), 'application/problem+json')
  })
}

test("answers 503 if the application's authorities function throws, and calls it once per certificate", async () => {
  const authorities = (): never => assert.fail('directory is down')
  const { response, events } = await ask({ authorities }, '/open')
  assert.equal(response.status, 503)
  assert.ok(events.some((event) => event.type === 'denial' && event.reason === 'evaluation_error'))
})

test("adds the application's authorities to the derived ones", async () => {
  const { body } = await ask({ authorities: ({ serviceAccount = '' }) => [`TEAM_${serviceAccount}`] }, '/open')
  assert.equal(body, 'NAMESPACE_production,SERVICE_production/core-api,SERVICE_core-api,TEAM_core-api')
})

test('answers as usual if the log throws', async () => {
  const { response } = await ask({ log: () => assert.fail('disk full') }, '/closed')
  assert.equal(response.status, 403)
})

test('publishes accepted peers, denials and updates on their channels, without keys or certificates', async () => {
  const seen: unknown[] = []
  const listen = (message: unknown): void => void seen.push(message)
  for (const name of Object.values(channels)) subscribe(name, listen)
  const { events } = await ask({}, '/closed?secret=1')
  for (const name of Object.values(channels)) unsubscribe(name, listen)
  const text = JSON.stringify(seen)
  assert.match(text, /"outcome":"accepted"/)
  assert.match(text, /"outcome":"updated"/)
  assert.match(text, /"reason":"deny_all"/)
  assert.doesNotMatch(text, /PRIVATE KEY|CERTIFICATE|secret/)
  assert.ok(events.every((event) => event.type === 'denial'))
})

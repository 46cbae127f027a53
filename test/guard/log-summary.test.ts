import assert from 'node:assert/strict'
import { mock, test, type TestContext } from 'node:test'
import type { AuthenticationEvent, CountersignEvent, DenialEvent } from '@countersign/core'
import { LogSummary } from '../../packages/core/src/log-summary.ts'

interface Summarised {
  readonly summary: LogSummary
  readonly written: CountersignEvent[]
  /** Advances the clock by milliseconds. */
  readonly pass: (milliseconds: number) => void
}

function summarise(context: TestContext): Summarised {
  const { timers } = mock
  timers.enable({ apis: ['setTimeout'] })
  context.after(() => timers.reset())
  const written: CountersignEvent[] = []
  return {
    summary: new LogSummary((event) => void written.push(event)),
    written,
    // In steps, for timers that are set by timers.
    pass: (milliseconds) => {
      for (let passed = 0; passed < milliseconds; passed += 1000) timers.tick(1000)
    },
  }
}

const refused = (about: Partial<AuthenticationEvent> = {}): AuthenticationEvent => ({
  type: 'authentication',
  outcome: 'refused',
  at: 1,
  reason: 'handshake_failed',
  detail: 'WRONG_VERSION_NUMBER',
  remoteAddress: '192.0.2.1',
  ...about,
})

const denied = (about: Partial<DenialEvent> = {}): DenialEvent => ({
  type: 'denial',
  at: 1,
  id: 'a',
  status: 403,
  code: 'client_certificate_required',
  reason: 'unauthenticated',
  detail: 'the request did not come over TLS',
  method: 'GET',
  path: '/',
  remoteAddress: '192.0.2.1',
  ...about,
})

const total = (written: readonly CountersignEvent[]): number =>
  written.reduce((sum, event) => sum + ('repeated' in event ? (event.repeated ?? 1) : 1), 0)

test('writes the first event, counts the others, and writes the count with the last of them', (context) => {
  const { summary, written, pass } = summarise(context)
  for (let at = 1; at <= 1000; at += 1) summary.note(refused({ at }))
  assert.deepEqual(written, [refused()])
  pass(10_000)
  assert.deepEqual(written.slice(1), [refused({ at: 1000, repeated: 999 })])
})

test('writes a count once a minute while there is something to count', (context) => {
  const { summary, written, pass } = summarise(context)
  summary.note(refused())
  for (let second = 0; second < 130; second += 1) {
    summary.note(refused())
    pass(1000)
  }
  assert.deepEqual(
    written.map((event) => ('repeated' in event ? event.repeated : undefined)),
    [undefined, 10, 60, 60],
  )
})

test('writes an event that recurs after a quiet period again, immediately', (context) => {
  const { summary, written, pass } = summarise(context)
  summary.note(refused())
  pass(10_000)
  summary.note(refused())
  assert.deepEqual(written, [refused(), refused()])
  summary.note(refused())
  pass(10_000)
  // Quiet for a minute after a count.
  pass(60_000)
  summary.note(refused({ at: 2 }))
  assert.deepEqual(written.slice(2), [refused({ repeated: 1 }), refused({ at: 2 })])
})

test('counts each address, reason and type separately, and addresses of one IPv6 network together', (context) => {
  const { summary, written, pass } = summarise(context)
  const events: readonly (AuthenticationEvent | DenialEvent)[] = [
    refused(),
    refused({ remoteAddress: '192.0.2.2' }),
    refused({ remoteAddress: '2001:db8::1' }),
    refused({ remoteAddress: '2001:db8:0:1::1' }),
    refused({ reason: 'certificate_missing' }),
    denied(),
    denied({ reason: 'guard_missing' }),
  ]
  for (const event of [...events, ...events]) summary.note(event)
  summary.note(refused({ remoteAddress: '2001:db8::2' }))
  assert.deepEqual(written, events)
  pass(10_000)
  const counts = written.slice(events.length).map((event) => ('repeated' in event ? event.repeated : undefined))
  assert.deepEqual(
    counts.toSorted((a = 0, b = 0) => a - b),
    [1, 1, 1, 1, 1, 1, 2],
  )
})

test('writes events with another detail or claimed name, up to 16 per reason', (context) => {
  const { summary, written, pass } = summarise(context)
  summary.note(refused())
  summary.note(refused({ detail: 'HTTP_REQUEST' }))
  summary.note(refused({ spiffeId: 'spiffe://saas.example/a' }))
  summary.note(refused({ subject: 'a' }))
  assert.equal(written.length, 4)
  for (let index = 0; index < 100; index += 1) summary.note(refused({ detail: `detail ${index}` }))
  assert.equal(written.length, 16)
  pass(10_000)
  assert.deepEqual(written.slice(16), [refused({ detail: 'detail 99', repeated: 88 })])
})

test('does not distinguish denials by path or id', (context) => {
  const { summary, written } = summarise(context)
  summary.note(denied())
  summary.note(denied({ path: '/other', method: 'PUT', id: 'b' }))
  assert.deepEqual(written, [denied()])
})

test('writes every event that was not caused by an unauthenticated client', (context) => {
  const { summary, written } = summarise(context)
  const events: readonly CountersignEvent[] = [
    denied({ principal: 'spiffe://saas.example/a' }),
    { ...refused(), outcome: 'warning' },
    { type: 'source', outcome: 'lost', at: 1, detail: 'gone' },
  ]
  for (const event of [...events, ...events]) summary.note(event)
  assert.deepEqual(written, [...events, ...events])
})

test('writes all counts when it is flushed, and starts over', (context) => {
  const { summary, written, pass } = summarise(context)
  for (let count = 0; count < 3; count += 1) summary.note(refused())
  summary.flush()
  assert.deepEqual(written, [refused(), refused({ repeated: 2 })])
  summary.flush()
  pass(120_000)
  assert.equal(written.length, 2)
  summary.note(refused())
  assert.deepEqual(written.slice(2), [refused()])
})

test('many addresses produce no more lines than a few, and no event is uncounted', (context) => {
  const { summary, written, pass } = summarise(context)
  let noted = 0
  for (let turn = 0; turn < 3; turn += 1) {
    for (let index = 0; index < 5000; index += 1) {
      summary.note(refused({ remoteAddress: `2001:db8:${index.toString(16)}::1`, detail: `detail ${index}` }))
      summary.note(refused({ remoteAddress: `2001:db8:${index.toString(16)}::1`, detail: `detail ${index}` }))
      noted += 2
    }
    assert.ok(summary.bytes < 1024 * 1024, `${summary.bytes} bytes`)
    pass(10_000)
  }
  summary.flush()
  assert.equal(total(written), noted)
  assert.ok(written.length < 3 * (256 + 257) + 257, `${written.length} lines`)
})

test('a count over many addresses names none of them', (context) => {
  const { summary, written } = summarise(context)
  for (let index = 0; index < 300; index += 1) {
    summary.note(refused({ remoteAddress: `192.0.${index >> 8}.${index & 255}` }))
  }
  summary.flush()
  const { remoteAddress: _, ...rest } = refused()
  assert.deepEqual(written.slice(256), [{ ...rest, repeated: 44 }])
})

test('counts many reasons of one address, those beyond eight together', (context) => {
  const { summary, written } = summarise(context)
  for (let index = 0; index < 20; index += 1) {
    for (let count = 0; count < 3; count += 1) summary.note(refused({ reason: `reason ${index}` }))
  }
  const before = written.length
  assert.equal(before, 20)
  summary.flush()
  assert.equal(total(written), 60)
  assert.equal(written.slice(before).filter((event) => 'remoteAddress' in event).length, 8)
})

test('keeps only the beginning of long strings', (context) => {
  const { summary, written } = summarise(context)
  const long = 'a'.repeat(1000)
  const about = { detail: long, spiffeId: long, subject: long }
  for (let count = 0; count < 2; count += 1) {
    summary.note(refused(about))
    summary.note(denied({ detail: long, path: `/${long}`, method: long }))
  }
  summary.flush()
  const short = 'a'.repeat(256)
  assert.deepEqual(written, [
    refused(about),
    denied({ detail: long, path: `/${long}`, method: long }),
    refused({ detail: short, spiffeId: short, subject: short, repeated: 1 }),
    denied({ detail: short, path: `/${short.slice(1)}`, method: short, repeated: 1 }),
  ])
})

test('uses at most 8 MiB however long clients keep sending new texts, and counts everything', (context) => {
  const { summary, written, pass } = summarise(context)
  const most = 8 * 1024 * 1024
  let noted = 0
  let highest = 0
  const note = (client: number, reason: number, text: string): void => {
    summary.note(refused({ remoteAddress: `192.0.2.${client}`, reason: `reason ${reason}`, detail: text }))
    noted += 1
    highest = Math.max(highest, summary.bytes)
    assert.ok(summary.bytes <= most, `${summary.bytes} bytes`)
  }
  // Each turn writes 256 new texts. A reason is forgotten unless some of its events were only counted.
  for (let turn = 0; turn < 40; turn += 1) {
    for (let client = 0; client < 256; client += 1) {
      note(client, turn % 8, `${turn} ${client} `.padEnd(300, 'é'))
      for (let reason = 0; reason < 8; reason += 1) note(client, reason, 'again')
      if (turn === 0) for (let reason = 0; reason < 8; reason += 1) note(client, reason, 'again')
    }
    pass(10_000)
  }
  assert.ok(highest > most - 1024 * 1024, `${highest} bytes`)
  summary.flush()
  assert.equal(total(written), noted)
  assert.equal(summary.bytes, 0)
})

test('frees what it counted of clients that have stopped', (context) => {
  const { summary, pass } = summarise(context)
  for (let client = 0; client < 300; client += 1) summary.note(refused({ remoteAddress: `192.0.2.${client}` }))
  assert.ok(summary.bytes > 256 * 2048, `${summary.bytes} bytes`)
  // The events of all others were counted, so their entry stays for another minute.
  pass(10_000)
  assert.equal(summary.bytes, 2048)
  pass(60_000)
  assert.equal(summary.bytes, 0)
})

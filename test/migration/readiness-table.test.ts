import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ReadinessNote, ReadinessTable } from '../../packages/core/src/migration/readiness-table.ts'

const since = Date.UTC(2026, 10, 1)
const deadline = Date.UTC(2026, 11, 31)
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const proven: ReadinessNote = { route: '/invoices', caller: coreApi, credential: 'x509-svid', strict: 'allow' }
const legacy: ReadinessNote = { route: '/invoices', caller: 'partner-42', credential: 'anonymous', strict: 'deny' }

function createTable(...notes: readonly ReadinessNote[]): ReadinessTable {
  const table = new ReadinessTable(since, deadline)
  for (const [index, note] of notes.entries()) table.note(note, since + index)
  return table
}

describe('the readiness report', () => {
  test('is ready if strict mode would have allowed every request', () => {
    const { isReady, others, ...report } = createTable(proven, proven).report(since + 5)

    assert.equal(isReady, true)
    assert.deepEqual(others, { requests: 0, denied: 0 })
    const entry = { ...proven, requests: 2, firstSeenAt: since, lastSeenAt: since + 1 }
    assert.deepEqual(report, { type: 'readiness', since, at: since + 5, deadline, entries: [entry] })
  })

  test('is not ready if strict mode would have denied one request', () => {
    const { isReady, entries } = createTable(proven, legacy, proven).report(since)

    assert.equal(isReady, false)
    assert.deepEqual(
      entries.map(({ caller, strict, requests }) => ({ caller, strict, requests })),
      [
        { caller: 'partner-42', strict: 'deny', requests: 1 },
        { caller: coreApi, strict: 'allow', requests: 2 },
      ],
    )
  })

  test('is not ready without any request', () => {
    assert.equal(createTable().report(since).isReady, false)
  })

  test('keeps a denial although later requests of that caller would be allowed', () => {
    const table = createTable({ ...proven, strict: 'deny' }, proven)

    const { isReady, entries } = table.report(since)
    assert.equal(isReady, false)
    assert.deepEqual(
      entries.map(({ strict }) => strict),
      ['deny', 'allow'],
    )
  })

  test('keeps the last time although the clock is set back', () => {
    const table = createTable()
    table.note(proven, since + 10)
    table.note(proven, since)

    assert.equal(table.report(since).entries[0]?.lastSeenAt, since + 10)
  })

  test('does not change afterwards', () => {
    const table = createTable(proven)
    const report = table.report(since)
    table.note(proven, since)

    assert.equal(report.entries[0]?.requests, 1)
    assert.ok(Object.isFrozen(report) && Object.isFrozen(report.entries) && Object.isFrozen(report.entries[0]))
  })
})

describe('a table that is full', () => {
  const fill = (table: ReadinessTable): void => {
    for (let index = 0; index < 1000; index += 1) table.note({ ...proven, caller: `caller-${index}` }, since)
  }

  test('lists 1,000 entries and counts further requests together', () => {
    const table = createTable()
    fill(table)
    table.note({ ...proven, caller: 'caller-1000' }, since)
    table.note({ ...proven, route: '/refunds', caller: 'caller-0' }, since)
    table.note({ ...proven, caller: 'caller-999' }, since)

    const { entries, others, isReady } = table.report(since)
    assert.equal(entries.length, 1000)
    assert.deepEqual(others, { requests: 2, denied: 0 })
    assert.equal(entries.find(({ caller }) => caller === 'caller-999')?.requests, 2)
    assert.equal(isReady, true)
  })

  for (const [what, note] of Object.entries({
    'an anonymous request': { ...legacy, strict: 'allow' },
    'a request that strict mode would deny': { ...proven, caller: 'caller-1000', strict: 'deny' },
  } as const)) {
    test(`is not ready with ${what} among the others`, () => {
      const table = createTable()
      fill(table)
      table.note(note, since)

      const { others, isReady } = table.report(since)
      assert.deepEqual(others, { requests: 1, denied: 1 })
      assert.equal(isReady, false)
    })
  }

  test('cuts long names', () => {
    const table = createTable()
    for (let index = 0; index < 3000; index += 1) {
      table.note({ ...legacy, route: `/${index}`, caller: `${index}${'\u{1f600}\n'.repeat(5000)}` }, since)
    }

    const names = table.report(since).entries.flatMap(({ route, caller }) => [route, caller])
    assert.equal(names.length, 2000)
    assert.ok(names.every((name) => name.length <= 256))
  })
})

describe('the name of a caller', () => {
  const nameOf = (caller: string): string | undefined => {
    const table = createTable({ ...legacy, caller }, { ...legacy, caller })
    const { entries } = table.report(since)
    assert.equal(entries.length, 1)
    assert.equal(entries[0]?.requests, 2)
    return entries[0]?.caller
  }

  for (const [what, caller, expected] of [
    ['a line end', 'a\nb', 'a\\u{a}b'],
    ['an escape sequence', '\u001b[2Ja', '\\u{1b}[2Ja'],
    ['a mark that changes the writing direction', 'a\u202eb', 'a\\u{202e}b'],
    ['a line separator', 'a\u2028b', 'a\\u{2028}b'],
    ['half of a surrogate pair', 'a\ud800', 'a\\u{d800}'],
    ['letters of any script', 'Ünïcode 名', 'Ünïcode 名'],
  ] as const) {
    test(`shows ${what} safely`, () => assert.equal(nameOf(caller), expected))
  }

  test('has at most 256 characters', () => {
    assert.equal(nameOf('x'.repeat(256)), 'x'.repeat(256))
    assert.equal(nameOf('x'.repeat(300)), `${'x'.repeat(255)}…`)
    assert.ok((nameOf('\n'.repeat(300)) ?? '').length <= 256)
    assert.doesNotMatch(nameOf(`x${'\u{1f600}'.repeat(200)}`) ?? '', /\p{Cs}/u)
  })

  test('cannot change the entry of a proven caller', () => {
    const { entries } = createTable(proven, { ...legacy, caller: coreApi, strict: 'allow' }).report(since)

    assert.deepEqual(
      entries.map(({ credential, requests }) => ({ credential, requests })),
      [
        { credential: 'anonymous', requests: 1 },
        { credential: 'x509-svid', requests: 1 },
      ],
    )
  })
})

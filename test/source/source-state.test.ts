import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SourceError } from '@countersign/spiffe'
import {
  advanceSourceState,
  type SourceState,
  type SourceStateEvent,
  type SourceTransition,
  startSourceState,
} from '@countersign/spiffe/internal'

// A failure of our own certificate is written as its cause, and a failure of a bundle as `trustDomain=cause`.

const partner = 'partner.example'
const recovered = { outcome: 'recovered', detail: 'valid again' } as const
const partnerRecovered = {
  outcome: 'recovered',
  detail: 'the bundle of partner.example can be read again',
  trustDomain: partner,
} as const
const expired = { code: 'source_expired', detail: 'it expired' } as const
const denied = { code: 'agent_denied', detail: 'no entry' } as const
const missing = { code: 'file_missing', detail: 'no file' } as const
const unusable = { ...missing, trustDomain: partner } as const
const notice = { outcome: 'refused', code: 'key_mismatch', detail: 'another key' } as const

/** Every kind of event, with its variants. */
const events: Readonly<Record<string, SourceStateEvent>> = {
  available: { type: 'available', detail: 'valid again' },
  'available, the partner fails': { type: 'available', detail: 'valid again', failing: new Set([partner]) },
  unavailable: { type: 'unavailable', ...expired },
  withdrawn: { type: 'withdrawn', error: new SourceError(denied.code, denied.detail), cause: 'denied' },
  'failed: missing': { type: 'failed', outcome: 'refused', cause: 'missing', ...missing },
  'failed: unavailable': { type: 'failed', outcome: 'warning', cause: 'away', ...missing },
  'failed: partner=missing': { type: 'failed', outcome: 'refused', cause: 'missing', ...unusable },
  refused: { type: 'refused', ...missing },
  'notified: refused': { type: 'notified', notice },
  'notified: warning': { type: 'notified', notice: { ...notice, outcome: 'warning' } },
  'notified: refused for the partner': { type: 'notified', notice: { ...notice, trustDomain: partner } },
  'notified: recovered': { type: 'notified', notice: recovered },
  'notified: recovered for the partner': { type: 'notified', notice: partnerRecovered },
  'notified: lost': { type: 'notified', notice: { ...notice, outcome: 'lost' } },
}

type Notice = SourceTransition['notices'][number]
type Row = readonly [event: string, next: string, ...notices: readonly Notice[]]

const lostByTime: Notice = { outcome: 'lost', ...expired }
const lostByDenial: Notice = { outcome: 'lost', ...denied }
const refusedDenial: Notice = { outcome: 'refused', ...denied }
const refusedMissing: Notice = { outcome: 'refused', ...missing }
const warnedMissing: Notice = { outcome: 'warning', ...missing }
const refusedPartner: Notice = { outcome: 'refused', ...unusable }

/** A notice of the source is forwarded, or not. */
const forwarded: Readonly<Record<string, Notice>> = Object.fromEntries(
  Object.entries(events).flatMap(([name, event]) => (event.type === 'notified' ? [[name, event.notice]] : [])),
)

function forward(event: string, next: string): Row {
  const found = forwarded[event]
  assert.ok(found)
  return [event, next, found]
}

const table: Readonly<Record<string, readonly Row[]>> = {
  empty: [
    ['available', 'valid'],
    ['available, the partner fails', 'valid'],
    ['unavailable', 'lost', lostByTime],
    ['withdrawn', 'empty denied', refusedDenial],
    ['failed: missing', 'empty missing', refusedMissing],
    ['failed: unavailable', 'empty away', warnedMissing],
    ['failed: partner=missing', 'empty partner=missing', refusedPartner],
    ['refused', 'empty', refusedMissing],
    forward('notified: refused', 'empty'),
    forward('notified: warning', 'empty'),
    forward('notified: refused for the partner', 'empty'),
    ['notified: recovered', 'empty'],
    forward('notified: recovered for the partner', 'empty'),
    ['notified: lost', 'empty'],
  ],
  'empty denied': [
    ['available', 'valid', recovered],
    ['available, the partner fails', 'valid', recovered],
    ['unavailable', 'lost denied', lostByTime],
    ['withdrawn', 'empty denied'],
    ['failed: missing', 'empty missing', refusedMissing],
    ['failed: unavailable', 'empty away', warnedMissing],
    ['failed: partner=missing', 'empty denied partner=missing', refusedPartner],
    ['refused', 'empty denied', refusedMissing],
    forward('notified: refused', 'empty denied'),
    forward('notified: warning', 'empty denied'),
    forward('notified: refused for the partner', 'empty denied'),
    ['notified: recovered', 'empty denied'],
    forward('notified: recovered for the partner', 'empty denied'),
    ['notified: lost', 'empty denied'],
  ],
  valid: [
    ['available', 'valid'],
    ['available, the partner fails', 'valid'],
    ['unavailable', 'lost', lostByTime],
    ['withdrawn', 'lost denied', lostByDenial],
    ['failed: missing', 'valid missing', refusedMissing],
    ['failed: unavailable', 'valid away', warnedMissing],
    ['failed: partner=missing', 'valid partner=missing', refusedPartner],
    ['refused', 'valid', refusedMissing],
    forward('notified: refused', 'valid'),
    forward('notified: warning', 'valid'),
    forward('notified: refused for the partner', 'valid'),
    forward('notified: recovered', 'valid'),
    forward('notified: recovered for the partner', 'valid'),
    ['notified: lost', 'valid'],
  ],
  'valid missing partner=missing': [
    ['available', 'valid', recovered, partnerRecovered],
    ['available, the partner fails', 'valid partner=missing', recovered],
    ['unavailable', 'lost missing partner=missing', lostByTime],
    ['withdrawn', 'lost denied partner=missing', lostByDenial],
    ['failed: missing', 'valid missing partner=missing'],
    ['failed: unavailable', 'valid away partner=missing', warnedMissing],
    ['failed: partner=missing', 'valid missing partner=missing'],
    ['refused', 'valid missing partner=missing', refusedMissing],
    forward('notified: refused', 'valid missing partner=missing'),
    forward('notified: warning', 'valid missing partner=missing'),
    forward('notified: refused for the partner', 'valid missing partner=missing'),
    forward('notified: recovered', 'valid missing partner=missing'),
    forward('notified: recovered for the partner', 'valid missing partner=missing'),
    ['notified: lost', 'valid missing partner=missing'],
  ],
  lost: [
    ['available', 'recovered', recovered],
    ['available, the partner fails', 'recovered', recovered],
    ['unavailable', 'lost'],
    ['withdrawn', 'lost denied', refusedDenial],
    ['failed: missing', 'lost missing', refusedMissing],
    ['failed: unavailable', 'lost away', warnedMissing],
    ['failed: partner=missing', 'lost partner=missing', refusedPartner],
    ['refused', 'lost', refusedMissing],
    forward('notified: refused', 'lost'),
    forward('notified: warning', 'lost'),
    forward('notified: refused for the partner', 'lost'),
    ['notified: recovered', 'lost'],
    forward('notified: recovered for the partner', 'lost'),
    ['notified: lost', 'lost'],
  ],
  'lost denied partner=missing': [
    ['available', 'recovered', recovered, partnerRecovered],
    ['available, the partner fails', 'recovered partner=missing', recovered],
    ['unavailable', 'lost denied partner=missing'],
    ['withdrawn', 'lost denied partner=missing'],
    ['failed: missing', 'lost missing partner=missing', refusedMissing],
    ['failed: unavailable', 'lost away partner=missing', warnedMissing],
    ['failed: partner=missing', 'lost denied partner=missing'],
    ['refused', 'lost denied partner=missing', refusedMissing],
    forward('notified: refused', 'lost denied partner=missing'),
    forward('notified: warning', 'lost denied partner=missing'),
    forward('notified: refused for the partner', 'lost denied partner=missing'),
    ['notified: recovered', 'lost denied partner=missing'],
    forward('notified: recovered for the partner', 'lost denied partner=missing'),
    ['notified: lost', 'lost denied partner=missing'],
  ],
  recovered: [
    ['available', 'recovered'],
    ['available, the partner fails', 'recovered'],
    ['unavailable', 'lost', lostByTime],
    ['withdrawn', 'lost denied', lostByDenial],
    ['failed: missing', 'valid missing', refusedMissing],
    ['failed: unavailable', 'valid away', warnedMissing],
    ['failed: partner=missing', 'recovered partner=missing', refusedPartner],
    ['refused', 'recovered', refusedMissing],
    forward('notified: refused', 'valid'),
    forward('notified: warning', 'valid'),
    forward('notified: refused for the partner', 'recovered'),
    ['notified: recovered', 'recovered'],
    forward('notified: recovered for the partner', 'recovered'),
    ['notified: lost', 'recovered'],
  ],
}

for (const [before, rows] of Object.entries(table)) {
  describe(`a source that is ${before}`, () => {
    test('has a row for every event', () => {
      assert.deepEqual(
        rows.map(([event]) => event),
        Object.keys(events),
      )
    })
    for (const [name, after, ...notices] of rows) {
      test(`is ${after} after the event '${name}', and reports ${describeNotices(notices)}`, () => {
        const event = events[name]
        assert.ok(event)
        const transition = advanceSourceState(parseState(before), event)
        assert.deepEqual([writeState(transition.state), transition.notices], [after, notices])
      })
    }
  })
}

test('a failure is reported again after the source was valid in between', () => {
  const failure = events['failed: missing']
  const good = events['available']
  assert.ok(failure && good)
  let state = startSourceState('valid')
  const outcomes: string[] = []
  for (const event of [failure, failure, good, good, failure]) {
    const transition = advanceSourceState(state, event)
    state = transition.state
    outcomes.push(transition.notices.map(({ outcome }) => outcome).join())
  }
  assert.deepEqual(outcomes, ['refused', '', 'recovered', '', 'refused'])
})

function describeNotices(notices: readonly Notice[]): string {
  const named = notices.map(({ outcome, trustDomain }) => (trustDomain === undefined ? outcome : `${outcome} partner`))
  return named.length === 0 ? 'nothing' : named.join(', ')
}

function parseState(text: string): SourceState {
  const [material, ...failures] = text.split(' ')
  assert.ok(material === 'empty' || material === 'valid' || material === 'lost' || material === 'recovered')
  const entries = failures.map((each) => each.split('='))
  return {
    material,
    failures: new Map(entries.map(([name = '', cause]) => (cause === undefined ? ['', name] : [partner, cause]))),
  }
}

function writeState({ material, failures }: SourceState): string {
  const written = [...failures].map(([name, cause]) => (name === '' ? cause : `partner=${cause}`))
  return [material, ...written].join(' ')
}

import type { SourceError, SpiffeErrorCode } from '../errors.ts'
import type { SourceNotice } from '../trust/x509-source.ts'

/**
 * Whether a source has valid material, and which failures were reported. A source keeps one state for its own material,
 * and a guard keeps one for its source.
 */
export interface SourceState {
  /**
   * `empty`: there was no material yet. `valid`: there is material. `lost`: it was withdrawn or has expired.
   * `recovered`: there is material again after a loss, the end of the loss was reported, and nothing has failed since.
   */
  readonly material: 'empty' | 'valid' | 'lost' | 'recovered'
  /** The causes of reported failures that still last, by trust domain or `ownFailure`. Empty for a guard. */
  readonly failures: ReadonlyMap<string, string>
}

/** An event that affects the material of a source. */
export type SourceStateEvent =
  /** There is valid material. Failures of trust domains outside `failing` are over. `detail` reports the recovery. */
  | { readonly type: 'available'; readonly detail: string; readonly failing?: ReadonlySet<string> }
  /** A guard finds no valid material in its source. */
  | ({ readonly type: 'unavailable' } & Failure)
  /** The owner of the source withdraws the material. */
  | { readonly type: 'withdrawn'; readonly error: SourceError; readonly cause: string }
  /**
   * An update failed, or the origin of updates is unreachable. `cause` is equal for repetitions of the same failure.
   */
  | ({ readonly type: 'failed'; readonly outcome: 'refused' | 'warning'; readonly cause: string } & Failure)
  /** A guard rejects material from its source. Reported each time, because no event ends it. */
  | ({ readonly type: 'refused' } & Failure)
  /** A guard receives a notice of its source. */
  | { readonly type: 'notified'; readonly notice: Omit<SourceNotice, 'at'> }

/** Why there is no material, or no newer one. */
interface Failure {
  readonly code: SpiffeErrorCode
  /** The trust domain of the affected bundle. Absent if our own certificate is affected. */
  readonly trustDomain?: string
  readonly detail: string
}

/** The state after an event, and the notices to report. */
export interface SourceTransition {
  readonly state: SourceState
  readonly notices: readonly Omit<SourceNotice, 'at'>[]
}

/** Returns the state of a source without any report. */
export function startSourceState(material: 'empty' | 'valid'): SourceState {
  return { material, failures: new Map() }
}

/** Returns the new state after an event and the notices to report. Does not repeat a report. */
export function advanceSourceState(state: SourceState, event: SourceStateEvent): SourceTransition {
  if (event.type === 'available') return recover(state, event)
  if (event.type === 'unavailable') return state.material === 'lost' ? unchanged(state) : lose(state, event)
  if (event.type === 'withdrawn') return withdraw(state, event)
  if (event.type === 'failed') return fail(state, event)
  if (event.type === 'refused') return { state, notices: [toNotice('refused', event)] }
  return receive(state, event.notice)
}

/** Returns true if this failure was reported and still lasts. */
export function isReported({ failures }: SourceState, { trustDomain, cause }: ReportedFailure): boolean {
  return failures.get(trustDomain ?? ownFailure) === cause
}

interface ReportedFailure {
  readonly trustDomain?: string
  readonly cause: string
}

/** Never the name of a trust domain. */
const ownFailure = ''

const none: ReadonlySet<string> = new Set()

function recover(
  state: SourceState,
  { detail, failing = none }: Extract<SourceStateEvent, { readonly type: 'available' }>,
): SourceTransition {
  const over = [...state.failures.keys()].filter((name) => !failing.has(name))
  if (state.material === 'lost' && !over.includes(ownFailure)) over.push(ownFailure)
  if (over.length === 0 && hasMaterial(state)) return unchanged(state)
  const failures = new Map([...state.failures].filter(([name]) => failing.has(name)))
  const material = state.material === 'lost' ? 'recovered' : state.material === 'empty' ? 'valid' : state.material
  const notices = over.map((name) =>
    name === ownFailure
      ? { outcome: 'recovered' as const, detail }
      : { outcome: 'recovered' as const, detail: `the bundle of ${name} can be read again`, trustDomain: name },
  )
  return { state: { material, failures }, notices }
}

function lose({ failures }: SourceState, failure: Failure): SourceTransition {
  return { state: { material: 'lost', failures }, notices: [toNotice('lost', failure)] }
}

function withdraw(
  state: SourceState,
  { error, cause }: Extract<SourceStateEvent, { readonly type: 'withdrawn' }>,
): SourceTransition {
  const failure = { code: error.code, detail: error.message }
  // Without material there is nothing to lose. The event is then a failed update.
  if (!hasMaterial(state)) return fail(state, { ...failure, type: 'failed', outcome: 'refused', cause })
  return lose(remember(state, { cause }), failure)
}

function fail(state: SourceState, event: Extract<SourceStateEvent, { readonly type: 'failed' }>): SourceTransition {
  if (isReported(state, event)) return unchanged(state)
  return { state: remember(noteFailure(state, event), event), notices: [toNotice(event.outcome, event)] }
}

function receive(state: SourceState, notice: Omit<SourceNotice, 'at'>): SourceTransition {
  const { outcome, trustDomain } = notice
  // The guard then reads the material itself and reports that there is none.
  if (outcome === 'lost') return unchanged(state)
  if (outcome !== 'recovered') return { state: noteFailure(state, notice), notices: [notice] }
  // The guard itself reports the end of a loss.
  return trustDomain !== undefined || state.material === 'valid' ? { state, notices: [notice] } : unchanged(state)
}

/** Ends `recovered` after a failure of our own certificate. A fault of a bundle does not affect it. */
function noteFailure(state: SourceState, { trustDomain }: { readonly trustDomain?: string }): SourceState {
  return trustDomain === undefined && state.material === 'recovered' ? { ...state, material: 'valid' } : state
}

function remember(state: SourceState, { trustDomain = ownFailure, cause }: ReportedFailure): SourceState {
  return { ...state, failures: new Map([...state.failures, [trustDomain, cause]]) }
}

function hasMaterial({ material }: SourceState): boolean {
  return material === 'valid' || material === 'recovered'
}

function unchanged(state: SourceState): SourceTransition {
  return { state, notices: [] }
}

function toNotice(
  outcome: 'lost' | 'refused' | 'warning',
  { code, trustDomain, detail }: Failure,
): SourceTransition['notices'][number] {
  return { outcome, code, detail, ...(trustDomain !== undefined && { trustDomain }) }
}

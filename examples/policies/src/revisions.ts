import { subscribe } from 'node:diagnostics_channel'
import { channels, type CountersignEvent, type DecisionEvent, type PolicyEvent } from '@countersign/core'
import { type DocumentState, isAllowed } from './callers.ts'

/** What one revision of the documents decided. */
export interface RevisionCount {
  readonly revision: string
  readonly allowed: number
  readonly denied: number
  /** Decisions that the documents of this revision do not make. */
  readonly wrong: readonly string[]
}

/** Counts decisions by their revision, and compares each with what the documents of that revision say. */
export class Revisions {
  readonly #states = new Map<string, DocumentState>()
  readonly #counts = new Map<string, { allowed: number; denied: number; wrong: string[] }>()
  #waiting: { readonly outcome: PolicyEvent['outcome']; readonly resolve: () => void } | undefined
  #next: DocumentState

  /** @param first the state of the documents with which the service starts */
  constructor(first: DocumentState) {
    this.#next = first
    subscribe(channels.decision, (event) => {
      if (isDecision(event)) this.#count(event)
    })
  }

  /** Changes the documents, and waits for the event that reports the change. */
  async change(next: DocumentState, outcome: PolicyEvent['outcome'], write: () => Promise<void>): Promise<void> {
    this.#next = next
    const reported = new Promise<void>((resolve) => (this.#waiting = { outcome, resolve }))
    await write()
    await reported
  }

  /** Receives the events of the guard. */
  readonly note = (event: CountersignEvent): void => {
    if (event.type !== 'policy') return
    console.log(`… ${event.outcome}: ${shorten(event.detail)}; in use: ${shorten(event.revision ?? '')}`)
    if (event.outcome === 'loaded' && event.revision !== undefined) this.#states.set(event.revision, this.#next)
    if (event.outcome === this.#waiting?.outcome) this.#waiting.resolve()
  }

  get counts(): readonly RevisionCount[] {
    return [...this.#counts].map(([revision, count]) => ({ revision, ...count }))
  }

  #count({ revision = 'no revision', effect, principal, path }: DecisionEvent): void {
    const count = this.#counts.get(revision) ?? { allowed: 0, denied: 0, wrong: [] }
    this.#counts.set(revision, count)
    if (effect === 'allow') count.allowed += 1
    else count.denied += 1
    const state = this.#states.get(revision)
    const isRight = state !== undefined && isAllowed(principal ?? '', path, state) === (effect === 'allow')
    if (!isRight) count.wrong.push(`${revision}: ${effect} for ${principal} ${path}`)
  }
}

/** Shortens revisions to what a person can compare. */
export function shorten(text: string): string {
  return text.replaceAll(/sha256:([0-9a-f]{8})[0-9a-f]{56}/g, '$1')
}

function isDecision(event: unknown): event is DecisionEvent {
  return typeof event === 'object' && event !== null && 'type' in event && event.type === 'decision'
}

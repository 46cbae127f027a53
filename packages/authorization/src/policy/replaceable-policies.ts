import { isCallable, parseOptions, refuseValue } from '@countersign/spiffe/options'
import type { PolicyNotice, PolicySet, PolicySource } from './policy-source.ts'

/** A policy source whose sets your own code supplies, for example from a configuration service. */
export interface ReplaceablePolicies extends PolicySource {
  /**
   * Replaces the set. Each guard checks its rules and policies, and keeps its last valid revision if they are invalid.
   *
   * @throws {ConfigurationError} `option_invalid` or `option_unknown` if it is not a set
   */
  replace(set: PolicySet): void
  /**
   * Passes a notice to the listeners.
   *
   * @throws {ConfigurationError} `option_invalid` or `option_unknown` if it is not a notice
   */
  notify(notice: PolicyNotice): void
}

/**
 * Creates a policy source with a first set.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown` if it is not a set
 * @example
 * const policies = createReplaceablePolicies({ policies: await fetchPolicies() })
 * const guard = createGuard({ source, policies })
 * policies.replace({ policies: await fetchPolicies() })
 */
export function createReplaceablePolicies(initial: PolicySet): ReplaceablePolicies {
  const updates = new Set<(set: PolicySet) => void>()
  const notices = new Set<(notice: PolicyNotice) => void>()
  let current = checkSet(initial, 'createReplaceablePolicies')
  return {
    get current() {
      return current
    },
    onUpdate: (listener) => add(updates, listener),
    onNotice: (listener) => add(notices, listener),
    replace: (set) => {
      current = checkSet(set, 'policies.replace')
      for (const listener of updates) listener(set)
    },
    notify: (notice) => {
      checkNotice(notice)
      for (const listener of notices) listener(notice)
    },
    close: async () => {
      updates.clear()
      notices.clear()
    },
  }
}

function checkSet(set: PolicySet, where: string): PolicySet {
  parseOptions(set, ['rules', 'policies', 'revision'], where)
  return set
}

function checkNotice(notice: PolicyNotice): void {
  const where = 'policies.notify'
  const { outcome, at, detail } = parseOptions(notice, ['outcome', 'at', 'detail', 'code'], where)
  if (outcome !== 'refused' && outcome !== 'recovered' && outcome !== 'warning') {
    refuseValue(`${where}: outcome`, outcome, "'refused', 'recovered' or 'warning'")
  }
  if (typeof at !== 'number') refuseValue(`${where}: at`, at, 'a time in epoch milliseconds')
  if (typeof detail !== 'string') refuseValue(`${where}: detail`, detail, 'text')
}

function add<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  if (!isCallable(listener)) refuseValue('policies: listener', listener, 'a function')
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

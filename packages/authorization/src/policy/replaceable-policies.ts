import type { PolicyNotice, PolicySet, PolicySource } from './policy-source.ts'

/** A policy source whose sets your own code supplies, for example from a configuration service. */
export interface ReplaceablePolicies extends PolicySource {
  /** Replaces the set. Each guard checks it, and keeps its last valid revision if the set is invalid. */
  replace(set: PolicySet): void
  /** Passes a notice to the listeners. */
  notify(notice: PolicyNotice): void
}

/**
 * Creates a policy source with a first set.
 *
 * @example
 * const policies = createReplaceablePolicies({ policies: await fetchPolicies() })
 * const guard = createGuard({ source, policies })
 * policies.replace({ policies: await fetchPolicies() })
 */
export function createReplaceablePolicies(initial: PolicySet): ReplaceablePolicies {
  const updates = new Set<(set: PolicySet) => void>()
  const notices = new Set<(notice: PolicyNotice) => void>()
  let current = initial
  return {
    get current() {
      return current
    },
    onUpdate: (listener) => add(updates, listener),
    onNotice: (listener) => add(notices, listener),
    replace: (set) => {
      current = set
      for (const listener of updates) listener(set)
    },
    notify: (notice) => {
      for (const listener of notices) listener(notice)
    },
    close: async () => {
      updates.clear()
      notices.clear()
    },
  }
}

function add<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

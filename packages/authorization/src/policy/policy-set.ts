import { CacheMemory } from '../bounded-cache.ts'
import type { DecisionRequest } from '../decide.ts'
import type { PathSpelling } from '../escaped-path.ts'
import { runAtOnce } from '../in-turns.ts'
import { foldTarget, type PathSemantics, semanticsKey } from '../path-semantics.ts'
import type { CompiledPolicy } from './compile-policy.ts'
import { kindOf, PolicyIndex, type PolicyKind } from './policy-index.ts'

/** Validated and indexed policies. Immutable to its users. */
export class CompiledPolicySet {
  /** The policies in the order written, which does not affect decisions. */
  readonly policies: readonly CompiledPolicy[]
  /** True if a request has to match an ALLOW policy: the set has one, or no rules were given. */
  readonly isAllowRequired: boolean
  /** True if a policy reads more of a request than its caller, method and path. */
  readonly readsFacts: boolean
  /** True if a policy is for emergencies. */
  readonly hasBreakGlass: boolean
  /** The methods that ALLOW policies name. A target parser has to accept them. */
  readonly methods: ReadonlySet<string>
  readonly #isWithoutRules: boolean
  readonly #kinds: ReadonlySet<PolicyKind>
  readonly #indexes: (PolicyIndex | undefined)[] = []
  // One memory budget for all kinds and semantics.
  readonly #memory = new CacheMemory()

  /** Creates a set. With `isWithoutRules`, a request has to match an ALLOW policy even if the set has none. */
  constructor(policies: readonly CompiledPolicy[], isWithoutRules: boolean) {
    this.policies = policies
    this.#isWithoutRules = isWithoutRules
    this.isAllowRequired = isWithoutRules || policies.some(({ action }) => action === 'ALLOW')
    this.hasBreakGlass = policies.some(({ isBreakGlass }) => isBreakGlass)
    this.readsFacts = policies.some((policy) => policy.readsFacts)
    this.#kinds = new Set(policies.map(kindOf))
    const methods = new Set<string>()
    // Not the methods of DENY policies: rules without methods would then allow a method that is otherwise unknown.
    for (const { source, action } of policies) {
      if (action === 'DENY') continue
      for (const operation of source.to ?? []) for (const method of operation.methods ?? []) methods.add(method)
    }
    this.methods = methods
    Object.freeze(this)
  }

  /** Returns the set without some of its policies. The others keep their indexes. */
  without(isLeftOut: (policy: CompiledPolicy) => boolean): CompiledPolicySet {
    const kept = this.policies.filter((policy) => !isLeftOut(policy))
    return new CompiledPolicySet(Object.freeze(kept), this.#isWithoutRules)
  }

  /** Returns the first policy of this kind that matches a request in one spelling of its path. */
  find(
    kind: PolicyKind,
    request: DecisionRequest,
    spelling: PathSpelling,
    semantics: PathSemantics,
  ): CompiledPolicy | undefined {
    if (!this.#kinds.has(kind)) return undefined
    return this.#indexFor(semantics).find(kind, request, foldTarget(spelling, semantics))
  }

  /** Builds the index for these semantics in steps. Otherwise the first request builds it in one go. */
  *prepare(semantics: PathSemantics): Generator<undefined, void> {
    if (this.#indexes[semanticsKey(semantics)] !== undefined) return
    const built = yield* this.#build(semantics)
    this.#indexes[semanticsKey(semantics)] ??= built
  }

  #indexFor(semantics: PathSemantics): PolicyIndex {
    return (this.#indexes[semanticsKey(semantics)] ??= runAtOnce(this.#build(semantics)))
  }

  *#build(semantics: PathSemantics): Generator<undefined, PolicyIndex> {
    const index = new PolicyIndex(semantics, this.#memory)
    for (const policy of this.policies) {
      index.add(policy)
      yield
    }
    return index
  }
}

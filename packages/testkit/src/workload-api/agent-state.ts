import { ConfigurationError, SpiffeId } from '@countersign/spiffe'
import type { Authority } from '../authority.ts'
import { type HeldSvid, issueHeldSvid, ttlOf } from './held-svid.ts'
import { parseEntries, type RegistrationEntry } from './registration-entry.ts'
import type { TrustDomainKeys } from './trust-domain-keys.ts'

/** What an answer depends on. */
export interface AgentContent {
  /** In the order of the entries. */
  readonly held: readonly HeldSvid[]
  /** By trust domain. */
  readonly keys: ReadonlyMap<string, TrustDomainKeys>
  /** DER. */
  readonly crls: readonly Buffer[]
}

/** What the agent currently holds. Changes must not overlap. */
export class AgentState implements AgentContent {
  crls: readonly Buffer[] = []
  readonly #keys: Map<string, TrustDomainKeys>
  #held: readonly HeldSvid[] = []

  constructor(keys: Map<string, TrustDomainKeys>) {
    this.#keys = keys
  }

  get held(): readonly HeldSvid[] {
    return this.#held
  }

  get keys(): ReadonlyMap<string, TrustDomainKeys> {
    return this.#keys
  }

  /** When `advance` has something to do next, in epoch milliseconds. Undefined if never. */
  get nextChangeAt(): number | undefined {
    const retirements = [...this.#keys.values()].flatMap(({ former }) => former.map(({ retireAt }) => retireAt))
    const moments = [...this.#held.map(({ renewAt }) => renewAt), ...retirements]
    return moments.length === 0 ? undefined : Math.min(...moments)
  }

  /** Replaces all entries and their SVIDs. */
  async replaceEntries(entries: readonly RegistrationEntry[]): Promise<void> {
    const parsed = parseEntries(entries, [...this.#keys.keys()])
    this.#held = await Promise.all(parsed.map((entry) => this.#issue(entry)))
  }

  /** Reissues every SVID for which the condition is true. */
  async renew(isDue: (held: HeldSvid) => boolean): Promise<void> {
    const renewals = this.#held.map(async (held) => (isDue(held) ? this.#issue(held.entry) : held))
    this.#held = await Promise.all(renewals)
  }

  /**
   * Renews the SVIDs that are due at `now` (epoch milliseconds) and retires expired authorities. Returns what changed.
   */
  async advance(now: number): Promise<'bundles' | 'svids' | 'nothing'> {
    const isDue = ({ renewAt }: HeldSvid): boolean => renewAt <= now
    const isAnyDue = this.#held.some(isDue)
    const isAnyRetired = this.#retire(now)
    await this.renew(isDue)
    if (isAnyRetired) return 'bundles'
    return isAnyDue ? 'svids' : 'nothing'
  }

  /**
   * Makes another authority the issuer of its trust domain, and reissues the SVIDs. The former authority stays in the
   * bundles for the overlap, by default until the last SVID that it issued has expired.
   *
   * @throws {ConfigurationError} `option_invalid` if the agent does not have the authority's trust domain
   */
  async replaceAuthority(next: Authority, overlapSeconds?: number): Promise<void> {
    const { trustDomain } = next
    const keys = this.#keys.get(trustDomain)
    if (keys === undefined) {
      const message = `authority: found one of ${trustDomain}, expected one of ${[...this.#keys.keys()].join(', ')}`
      throw new ConfigurationError('option_invalid', message, { value: trustDomain })
    }
    const isOwn = ({ svid }: HeldSvid): boolean => SpiffeId.parse(svid.spiffeId).trustDomain === trustDomain
    const longest = Math.max(0, ...this.#held.filter(isOwn).map(({ entry }) => ttlOf(entry) + 1))
    const retiring = { authority: keys.issuer, retireAt: Date.now() + (overlapSeconds ?? longest) * 1000 }
    const former = overlapSeconds === 0 ? [] : [retiring, ...keys.former]
    this.#keys.set(trustDomain, { issuer: next, former })
    await this.renew(isOwn)
  }

  #retire(now: number): boolean {
    let isAnyRetired = false
    for (const [trustDomain, keys] of this.#keys) {
      const former = keys.former.filter(({ retireAt }) => retireAt > now)
      if (former.length === keys.former.length) continue
      isAnyRetired = true
      this.#keys.set(trustDomain, { ...keys, former })
    }
    return isAnyRetired
  }

  #issue(entry: RegistrationEntry): Promise<HeldSvid> {
    return issueHeldSvid(entry, this.#authorityOf(entry))
  }

  #authorityOf({ spiffeId }: RegistrationEntry): Authority {
    const keys = this.#keys.get(SpiffeId.parse(spiffeId).trustDomain)
    if (keys === undefined) throw new TypeError(`found '${spiffeId}', expected an ID of a trust domain of the agent`)
    return keys.issuer
  }
}

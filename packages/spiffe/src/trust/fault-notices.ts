import { type BundleFault, describeFaults } from './bundle-fault.ts'
import type { SourceNotice, SubjectMaterial, X509Material } from './x509-source.ts'

/** The notice of something that is wrong with a bundle. */
export interface FaultNotice extends SourceNotice {
  readonly outcome: 'warning'
  readonly code: BundleFault['code']
}

/**
 * Turns what is wrong with the bundles of a material into notices: each kind of fault of a trust domain once for as long
 * as it lasts, whatever the number of updates and of certificates.
 */
export class FaultNotices {
  /** By trust domain and kind; one notice may tell of several kinds. */
  #lasting: ReadonlyMap<string, ReadonlyMap<string, FaultNotice>> = new Map()

  /**
   * Takes the material that holds from now on.
   *
   * @param at epoch milliseconds
   * @returns the notices of faults that it has and the material before it did not
   */
  take(material: Bundles | SubjectMaterial, at: number): readonly FaultNotice[] {
    const lasting = new Map<string, ReadonlyMap<string, FaultNotice>>()
    const fresh: FaultNotice[] = []
    for (const group of listGroups(material)) {
      const before = this.#lasting.get(group.name) ?? new Map<string, FaultNotice>()
      const news = group.faults.filter(({ kind }) => !before.has(kind))
      const [first] = news
      const notice = first === undefined ? undefined : createNotice(group, [first, ...news.slice(1)], at)
      if (notice !== undefined) fresh.push(notice)
      const kinds = group.faults.flatMap(({ kind }) => {
        const told = before.get(kind) ?? notice
        return told === undefined ? [] : [[kind, told] as const]
      })
      lasting.set(group.name, new Map(kinds))
    }
    this.#lasting = lasting
    return fresh
  }

  /** The notices of all faults that last. */
  get standing(): readonly FaultNotice[] {
    return [...new Set([...this.#lasting.values()].flatMap((kinds) => [...kinds.values()]))]
  }
}

/** The part of a material that is about bundles, or bundles that come without an SVID. */
type Bundles = Pick<X509Material, 'bundles' | 'faults'> & { readonly kind?: 'spiffe' }

/** The faults of one bundle, or those that are of no trust domain in particular. */
interface FaultGroup {
  /** Begins the message. */
  readonly name: string
  readonly trustDomain: string | undefined
  readonly faults: readonly BundleFault[]
  /** Ends the message. */
  readonly consequence: string
}

function listGroups(material: Parameters<FaultNotices['take']>[0]): readonly FaultGroup[] {
  if (material.kind === 'subject') return [describeGroup('the CA', undefined, material.ca)].filter(hasFaults)
  const { bundles, faults = [] } = material
  const all = [...faults, ...[...bundles.values()].flatMap((bundle) => bundle.faults)]
  const groups = [...bundles.values()].map(({ trustDomain, authorities }) => {
    const own = all.filter((fault) => fault.trustDomain === trustDomain)
    return describeGroup(`bundle of ${trustDomain}`, trustDomain, { authorities, faults: own })
  })
  const rest = all.filter(({ trustDomain }) => trustDomain === undefined || !bundles.has(trustDomain))
  const shared = { name: 'bundles', trustDomain: undefined, faults: rest, consequence: 'that is left out' }
  return [...groups, shared].filter(hasFaults)
}

function describeGroup(
  name: string,
  trustDomain: string | undefined,
  { authorities, faults }: { readonly authorities: readonly unknown[]; readonly faults: readonly BundleFault[] },
): FaultGroup {
  const left = authorities.length
  const consequence =
    left === 0
      ? 'it holds no authority that can be used, so none of its certificates is accepted'
      : `that is left out; ${left} ${left === 1 ? 'authority stays' : 'authorities stay'} in use`
  return { name, trustDomain, faults, consequence }
}

function hasFaults({ faults }: FaultGroup): boolean {
  return faults.length > 0
}

function createNotice(
  { name, trustDomain, consequence }: FaultGroup,
  faults: readonly [BundleFault, ...BundleFault[]],
  at: number,
): FaultNotice {
  const [{ code }] = faults
  const detail = `${name}: ${describeFaults(faults)}; ${consequence}`
  return Object.freeze({ outcome: 'warning', at, code, ...(trustDomain !== undefined && { trustDomain }), detail })
}

import { type BundleFault, describeFaults } from './bundle-fault.ts'
import type { SourceNotice, SubjectMaterial, X509Material } from './x509-source.ts'

/** A notice about a fault of a bundle. */
export interface FaultNotice extends SourceNotice {
  readonly outcome: 'warning'
  readonly code: BundleFault['code']
}

/**
 * Turns the faults of a material's bundles into notices. Reports each kind of fault of a trust domain once while it
 * lasts, regardless of the number of updates and certificates.
 */
export class FaultNotices {
  /** By trust domain and kind. One notice can cover several kinds. */
  #lasting: ReadonlyMap<string, ReadonlyMap<string, FaultNotice>> = new Map()

  /**
   * Compares the faults of the new material with those of the previous one.
   *
   * @param at epoch milliseconds
   * @returns the notices of faults that are new in this material
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

  /** The notices of all current faults. */
  get standing(): readonly FaultNotice[] {
    return [...new Set([...this.#lasting.values()].flatMap((kinds) => [...kinds.values()]))]
  }
}

/** The bundles of a material, or bundles that arrive without an SVID. */
type Bundles = Pick<X509Material, 'bundles' | 'faults'> & { readonly kind?: 'spiffe' }

/** The faults of one bundle, or the faults that belong to no particular trust domain. */
interface FaultGroup {
  /** The start of the message. */
  readonly name: string
  readonly trustDomain: string | undefined
  readonly faults: readonly BundleFault[]
  /** The end of the message. */
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
  const shared = { name: 'bundles', trustDomain: undefined, faults: rest, consequence: 'this is ignored' }
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
      ? 'it has no usable authority, so none of its certificates are accepted'
      : `this is ignored; ${left} ${left === 1 ? 'authority remains' : 'authorities remain'} in use`
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

import {
  type Certificate,
  FaultNotices,
  type OwnCertificate,
  type SourceNotice,
  type SubjectMaterial,
  type X509Bundle,
  type X509Material,
} from '@countersign/spiffe'
import { describeOwn } from './describe-own.ts'
import {
  describeIndistinct,
  describeLongLife,
  describeMissingBundle,
  longCertificateLifetime,
} from './material-warnings.ts'
import type { TrustScope } from './trust-scope.ts'

/** Accepted material, with our own certificate in it and the previous one. */
interface Update {
  readonly material: X509Material | SubjectMaterial
  readonly own: OwnCertificate
  readonly before: OwnCertificate | undefined
}

/** Lists suspicious properties of valid material, each once for as long as it lasts. */
export class UpdateWarnings {
  readonly #scope: TrustScope
  readonly #hasOwnNotices: boolean
  readonly #checkedAuthorities = new WeakSet<readonly Certificate[]>()
  /** The trust domains without authorities. */
  #withoutAuthorities: ReadonlySet<string> = new Set()
  readonly #faults = new FaultNotices()

  /** `hasOwnNotices`: the source itself reports the faults of its bundles through `onNotice`. */
  constructor(scope: TrustScope, hasOwnNotices: boolean) {
    this.#scope = scope
    this.#hasOwnNotices = hasOwnNotices
  }

  /** Lists the warnings about an update that was accepted at `now` (epoch milliseconds). */
  list({ material, own, before }: Update, now: number): readonly Warning[] {
    return [
      ...(own.sha256 === before?.sha256 ? [] : listLongLife(own)),
      ...(before === undefined ? [] : listOtherName(before, own)),
      ...this.#listIndistinct(material),
      ...(this.#hasOwnNotices ? [] : this.#faults.take(material, now)),
      ...this.#listMissing(material),
    ]
  }

  #listIndistinct(material: X509Material | SubjectMaterial): readonly Warning[] {
    const bundles =
      material.kind === 'subject'
        ? [{ trustDomain: 'the CA', authorities: material.ca.authorities }]
        : [...material.bundles.values()]
    return bundles.flatMap(({ trustDomain, authorities }) => {
      // An unchanged bundle keeps the same list object from one update to the next.
      if (this.#checkedAuthorities.has(authorities)) return []
      this.#checkedAuthorities.add(authorities)
      const indistinct = describeIndistinct(authorities)
      return indistinct === undefined ? [] : [warn('authority_unusable', `bundle of ${trustDomain}: ${indistinct}`)]
    })
  }

  #listMissing(material: X509Material | SubjectMaterial): readonly Warning[] {
    const scope = this.#scope
    if (scope.kind === 'subject' || scope.kind === 'own' || material.kind === 'subject') return []
    // A bundle whose faults leave it without authorities is reported through its faults.
    const missing = scope.trustDomains.filter((name) => {
      const { authorities, faults } = material.bundles.get(name) ?? noBundle
      return authorities.length === 0 && faults.length === 0
    })
    const fresh = missing.filter((trustDomain) => !this.#withoutAuthorities.has(trustDomain))
    this.#withoutAuthorities = new Set(missing)
    return fresh.map((trustDomain) => ({
      ...warn('bundle_empty', describeMissingBundle(trustDomain, scope, material.bundles)),
      trustDomain,
    }))
  }
}

type Warning = Omit<SourceNotice, 'at'>

function warn(code: NonNullable<Warning['code']>, detail: string): Warning {
  return { outcome: 'warning', code, detail }
}

function listLongLife(own: OwnCertificate): readonly Warning[] {
  const long = describeLongLife(own, longCertificateLifetime)
  return long === undefined ? [] : [warn('certificate_long_lived', `our own certificate: ${long}`)]
}

function listOtherName(before: OwnCertificate, own: OwnCertificate): readonly Warning[] {
  const [was, is] = [describeOwn(before).spiffeId, describeOwn(own).spiffeId]
  if (was === is) return []
  const detail = `our own SPIFFE ID changed from ${was} to ${is}; namespaces and rules still use the one from startup`
  return [warn('spiffe_id_changed', detail)]
}

const noBundle: Pick<X509Bundle, 'authorities' | 'faults'> = { authorities: [], faults: [] }

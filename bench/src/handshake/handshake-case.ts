import type { MaterialInput } from '@countersign/core'
import type { KeyType } from '@countersign/testkit'

/** What the certificates of a comparison are like. */
export interface HandshakeCase {
  readonly title: string
  readonly keyType: KeyType
  readonly hasIntermediate: boolean
  readonly trustDomains: number
}

/** What a server process is told first. */
export interface HandshakeTask {
  readonly isGuarded: boolean
  readonly material: MaterialInput
}

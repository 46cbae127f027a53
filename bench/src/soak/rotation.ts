import type { Authority } from '@countersign/testkit'

/** The sources of certificates for a service. */
export const hows = ['files', 'workload-api'] as const

/** The origin of a service's certificates, and how they are replaced. */
export interface Rotation {
  readonly how: (typeof hows)[number]
  /** The folder of the files, or the endpoint of the agent. */
  readonly place: string
  /** The root authority of every certificate. */
  readonly authority: Authority
  /** Replaces key and certificate, every second time with a new intermediate authority. */
  next(): Promise<void>
  close(): Promise<void>
}

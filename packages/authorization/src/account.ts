import type { SpiffeId } from '@countersign/spiffe/id'

/** The Kubernetes workload that a SPIFFE ID names. */
export interface Account {
  readonly namespace?: string
  readonly serviceAccount?: string
}

/**
 * Returns the namespace and service account of a path that is exactly `/ns/<namespace>/sa/<service account>`, otherwise
 * an empty object.
 */
export function readAccount({ segments }: SpiffeId): Account {
  const [ns, namespace, sa, serviceAccount] = segments
  if (segments.length !== 4 || ns !== 'ns' || sa !== 'sa') return {}
  return namespace === undefined || serviceAccount === undefined ? {} : { namespace, serviceAccount }
}

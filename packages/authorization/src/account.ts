import type { SpiffeId } from '@countersign/spiffe/id'

/** What a SPIFFE ID of a Kubernetes workload names. */
export interface Account {
  readonly namespace?: string
  readonly serviceAccount?: string
}

/** Namespace and service account of a path that is exactly `/ns/<namespace>/sa/<service account>`, or nothing. */
export function readAccount({ segments }: SpiffeId): Account {
  const [ns, namespace, sa, serviceAccount] = segments
  if (segments.length !== 4 || ns !== 'ns' || sa !== 'sa') return {}
  return namespace === undefined || serviceAccount === undefined ? {} : { namespace, serviceAccount }
}

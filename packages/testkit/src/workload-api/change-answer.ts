import type { Answer, BundleFields } from './answer.ts'

/** Changes byte fields of every X.509-SVID. */
export function changeX509(answer: Answer, changes: ByteChanges): Answer {
  if (answer.kind !== 'FetchX509SVID') return answer
  const { x509_svid = keep, x509_svid_key = keep, bundle = keep } = changes
  const svids = answer.message.svids.map((svid) => ({
    ...svid,
    x509_svid: x509_svid(svid.x509_svid),
    x509_svid_key: x509_svid_key(svid.x509_svid_key),
    bundle: bundle(svid.bundle),
  }))
  return { ...answer, message: { ...answer.message, svids } }
}

/** Changes the text of every JWT-SVID. */
export function changeJwt(answer: Answer, change: (token: string) => string): Answer {
  if (answer.kind !== 'FetchJWTSVID') return answer
  return { ...answer, message: { svids: answer.message.svids.map((one) => ({ ...one, svid: change(one.svid) })) } }
}

/** Changes every `spiffe_id` field, but not the SVID itself. */
export function changeSpiffeId(answer: Answer, change: (id: string) => string): Answer {
  if (answer.kind === 'ValidateJWTSVID') {
    return { ...answer, message: { ...answer.message, spiffe_id: change(answer.message.spiffe_id) } }
  }
  if (answer.kind === 'FetchX509SVID') {
    const svids = answer.message.svids.map((svid) => ({ ...svid, spiffe_id: change(svid.spiffe_id) }))
    return { ...answer, message: { ...answer.message, svids } }
  }
  if (answer.kind !== 'FetchJWTSVID') return answer
  const svids = answer.message.svids.map((svid) => ({ ...svid, spiffe_id: change(svid.spiffe_id) }))
  return { ...answer, message: { svids } }
}

/** Changes every bundle except the federated ones sent with SVIDs. */
export function changeBundles(answer: Answer, change: (bundle: Buffer) => Buffer): Answer {
  return replaceBundles(changeX509(answer, { bundle: change }), (bundles) =>
    Object.fromEntries(Object.entries(bundles).map(([name, bundle]) => [name, change(bundle)])),
  )
}

/** Replaces the map of the two methods that fetch bundles. */
export function replaceBundles(answer: Answer, replace: (bundles: BundleFields) => BundleFields): Answer {
  if (answer.kind === 'FetchX509Bundles') {
    return { ...answer, message: { ...answer.message, bundles: replace(answer.message.bundles) } }
  }
  return answer.kind === 'FetchJWTBundles'
    ? { ...answer, message: { bundles: replace(answer.message.bundles) } }
    : answer
}

/** Empties one federated bundle sent with SVIDs, and adds an empty one if there is none. */
export function emptyFederatedBundle(answer: Answer): Answer {
  if (answer.kind !== 'FetchX509SVID') return answer
  const [name = 'spiffe://partner.example'] = Object.keys(answer.message.federated_bundles)
  const federated_bundles = { ...answer.message.federated_bundles, [name]: Buffer.alloc(0) }
  return { ...answer, message: { ...answer.message, federated_bundles } }
}

/** Removes all SVIDs. */
export function removeSvids(answer: Answer): Answer {
  if (answer.kind === 'FetchX509SVID') return { ...answer, message: { ...answer.message, svids: [] } }
  return answer.kind === 'FetchJWTSVID' ? { ...answer, message: { svids: [] } } : answer
}

/** Sets the same hint on every X.509-SVID. Repeats the list, so that there are always at least two. */
export function duplicateHint(answer: Answer): Answer {
  if (answer.kind !== 'FetchX509SVID') return answer
  const { svids } = answer.message
  const hint = svids.find((svid) => svid.hint !== '')?.hint ?? 'internal'
  return { ...answer, message: { ...answer.message, svids: [...svids, ...svids].map((svid) => ({ ...svid, hint })) } }
}

type ByteChanges = Readonly<Partial<Record<'x509_svid' | 'x509_svid_key' | 'bundle', (bytes: Buffer) => Buffer>>>

function keep(bytes: Buffer): Buffer {
  return bytes
}

import { type AgentSvid, createWorkloadApiClient } from '@countersign/workload-api'
import type { Context } from '../context.ts'
import { reportFailure } from '../failure.ts'
import { formatSvidLine } from '../output/format-svid.ts'
import { formatMoment } from '../output/format-time.ts'
import { readSvidFacts } from '../output/svid-facts.ts'

/**
 * Prints a line for each SVID that is issued or rotated. It connects to the socket like a workload, so that it prints
 * what a workload received and could verify. Returns a function that stops it.
 */
export function followRotations(endpoint: string, json: boolean, context: Context): () => void {
  const { output, now } = context
  /** The SHA-256 of the leaf, by SPIFFE ID. */
  const held = new Map<string, string>()
  const show = (svid: AgentSvid): void => {
    const { spiffeId, sha256 } = svid.material.svid
    const id = spiffeId.toString()
    const previous = held.get(id)
    if (previous === sha256) return
    held.set(id, sha256)
    const what = previous === undefined ? 'issued' : 'rotated'
    const facts = readSvidFacts(svid)
    const { hint, serialNumber, notBefore, expiresAt } = facts
    const at = now()
    if (!json) output.line(formatSvidLine(what.padEnd('rotated'.length), facts, at))
    else output.json({ event: what, at: formatMoment(at), spiffeId: id, hint, serialNumber, notBefore, expiresAt })
  }
  // Report only once until it works again, because a removed socket is retried continually.
  let isReported = false
  return createWorkloadApiClient({ endpoint }).watchX509Svids({
    onUpdate: (svids) => {
      isReported = false
      svids.forEach(show)
    },
    onError: (error) => {
      if (!isReported) reportFailure(error, context)
      isReported = true
    },
  })
}

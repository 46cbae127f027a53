import type { SpiffeErrorCode } from '../../errors.ts'
import type { SourceNotice } from '../../trust/x509-source.ts'
import type { SourceStateEvent } from '../source-state.ts'
import type { RefusedBundle } from './file-bundles.ts'

/** How often the files are read while they cannot be watched, in milliseconds. */
export const fastPollMs = 1000

/** A failed load of files. */
export type RefusedLoad = Extract<SourceStateEvent, { readonly type: 'failed' }>

/** Describes a bundle whose file cannot be read, with the age of the one that stays in use. */
export function describeRefusal({ trustDomain, error, lastGoodAt }: RefusedBundle): RefusedLoad {
  const seconds = Math.max(0, Math.round((Date.now() - lastGoodAt) / 1000))
  const age =
    seconds < 120
      ? `${seconds} s`
      : seconds < 7200
        ? `${Math.round(seconds / 60)} min`
        : `${Math.round(seconds / 3600)} h`
  const moment = new Date(lastGoodAt).toISOString()
  const { detail, ...refusal } = createRefusal(error)
  // The age is not part of `cause`: an older bundle is not a new failure.
  return { ...refusal, trustDomain, detail: `${detail}; the content that was read ${age} ago (${moment}) stays in use` }
}

/** Describes files that cannot be loaded. */
export function createRefusal({
  code,
  message,
}: {
  readonly code: SpiffeErrorCode
  readonly message: string
}): RefusedLoad {
  return { type: 'failed', outcome: 'refused', code, detail: message, cause: causeOf(code, message) }
}

/** Equal for repetitions of the same failure. */
export function causeOf(code: SpiffeErrorCode, message: string): string {
  return `${code}\n${message}`
}

/** Describes files that cannot be watched. */
export function describeWatchFailure(failure: string): Omit<SourceNotice, 'at'> {
  const detail = `${failure}; until this is fixed, the files are read every second`
  return { outcome: 'warning', code: 'watching_failed', detail }
}

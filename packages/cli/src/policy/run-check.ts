import { ConfigurationError, simulateGuard } from '@countersign/core'
import {
  describeProblem,
  type DocumentProblem,
  type ParsedDocument,
  type PolicyWarning,
  policyWarnings,
} from '@countersign/policy'
import { mergeDocuments, parseFile, parsePolicyFiles, readDocuments } from '@countersign/policy/internal'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { count } from '../output/count.ts'
import { escapeInvisible } from '../output/escape-invisible.ts'
import { parseService, type PolicyFlags } from './policy-options.ts'
import { withInput } from './report-input.ts'

/** Checks documents. With `--as`, also reports what the service would reject at startup. */
export async function runCheck(paths: unknown, flags: PolicyFlags, context: Context): Promise<number> {
  return withInput(context, async () => {
    const { output, now } = context
    const { files, revision } = await readDocuments(parsePolicyFiles(paths).locations)
    const documents = files.map(parseFile)
    const errors: string[] = mergeDocuments(documents).problems.map(describeProblem)
    if (flags.as !== undefined && errors.length === 0) errors.push(...(await checkService(documents, flags)))
    const warnings = documents.flatMap((document) => policyWarnings(document, { now: now() }))
    const problems: readonly DocumentProblem[] = documents.flatMap((document) => document.problems)
    if (flags.json === true) output.json({ event: 'check', revision, errors, problems, warnings })
    else {
      for (const error of errors) output.line(escapeInvisible(error))
      for (const warning of warnings) output.line(escapeInvisible(describeWarning(warning)))
      output.line(
        `${count(files.length, 'document')}: ${count(errors.length, 'error')}, ${count(warnings.length, 'warning')}`,
      )
    }
    const isRefused = errors.length > 0 || (flags.strict === true && warnings.length > 0)
    return isRefused ? exitCodes.failed : exitCodes.ok
  })
}

/** Returns the first error with which the service would reject the documents. */
async function checkService(documents: readonly ParsedDocument[], flags: PolicyFlags): Promise<readonly string[]> {
  const service = await parseService(flags)
  const { rules, policies } = mergeDocuments(documents)
  try {
    simulateGuard({ ...service, policies: { ...(rules !== undefined && { rules }), policies } })
    return []
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return [locate(error.message, rules ?? [], policies)]
  }
}

// The message begins with the place in the set, such as `policies[3].from[0]`.
function locate(
  message: string,
  rules: readonly { readonly declaredAt?: string }[],
  policies: readonly { readonly declaredAt?: string }[],
): string {
  const [, list, index] = /^(rules|policies)\[(\d+)\]/.exec(message) ?? []
  const entry = (list === 'rules' ? rules : policies)[Number(index)]
  return entry?.declaredAt === undefined ? message : `${entry.declaredAt}: ${message}`
}

function describeWarning({ code, declaredAt, policy, message }: PolicyWarning): string {
  return `${declaredAt}: warning: ${policy === undefined ? '' : `policy '${policy}': `}${message} (${code})`
}

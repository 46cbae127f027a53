import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigurationError, type PolicySet } from '@countersign/core'
import { formatPolicyDocument, PolicyDocumentError } from '@countersign/policy'
import { readYaml } from '@countersign/policy/internal'
import { describeThrown, isRecord } from '@countersign/spiffe/options'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { reportFailure } from '../failure.ts'
import { escapeInvisible } from '../output/escape-invisible.ts'
import type { PolicyFlags } from './policy-options.ts'
import { withInput } from './report-input.ts'

/** Writes the rules and policies of a JavaScript module as a document. */
export async function runConvert(module: unknown, flags: PolicyFlags, context: Context): Promise<number> {
  return withInput(context, async () => {
    const set = await loadModule(String(module))
    const text = format(set, context)
    if (text === undefined) return exitCodes.failed
    const { output } = context
    if (flags.json === true) output.json(readYaml(text).value)
    else for (const line of text.trimEnd().split('\n')) output.line(escapeInvisible(line))
    return exitCodes.ok
  })
}

function format(set: Pick<PolicySet, 'rules' | 'policies'>, context: Context): string | undefined {
  try {
    return formatPolicyDocument(set)
  } catch (error) {
    if (!(error instanceof ConfigurationError || error instanceof PolicyDocumentError)) throw error
    reportFailure(error, context)
    return undefined
  }
}

async function loadModule(path: string): Promise<Pick<PolicySet, 'rules' | 'policies'>> {
  const loaded = await load(path)
  const exported = [loaded, loaded['default']].filter(isRecord)
  const find = (name: 'rules' | 'policies'): unknown => exported.map((values) => values[name]).find(Array.isArray)
  const [rules, policies] = [find('rules'), find('policies')]
  if (rules === undefined && policies === undefined) {
    throw new ConfigurationError(
      'option_invalid',
      `${path}: found neither rules nor policies among its exports, expected a list with one of these names`,
    )
  }
  // `formatPolicyDocument` parses its result, so an invalid document is never written.
  return { ...(isRules(rules) && { rules }), ...(isPolicies(policies) && { policies }) }
}

async function load(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const loaded: unknown = await import(pathToFileURL(resolve(path)).href)
    return typeof loaded === 'object' && loaded !== null ? { ...loaded } : {}
  } catch (cause) {
    const message = `${path}: found ${describeThrown(cause)}, expected a JavaScript module that can be loaded`
    throw new ConfigurationError('option_invalid', message, { cause })
  }
}

function isRules(value: unknown): value is NonNullable<PolicySet['rules']> {
  return Array.isArray(value)
}

function isPolicies(value: unknown): value is NonNullable<PolicySet['policies']> {
  return Array.isArray(value)
}

import type { Policy, Rule } from '@countersign/authorization'
import type { DocumentProblem, ParsedDocument } from '../policy-document.ts'

/** The content of all documents of a set. */
export interface MergedDocuments {
  readonly rules: readonly Rule[] | undefined
  readonly policies: readonly Policy[]
  /** The problems of each document, and contradictions between documents. If there is one, ignore the other fields. */
  readonly problems: readonly DocumentProblem[]
}

/** Merges documents into one set. At most one may have rules, and policy names have to be unique. */
export function mergeDocuments(documents: readonly ParsedDocument[]): MergedDocuments {
  const problems = documents.flatMap((document) => document.problems)
  const policies = documents.flatMap((document) => document.policies)
  const [first, ...others] = documents.flatMap(({ rules }) => (rules === undefined ? [] : [rules]))
  for (const [rule] of others) {
    const found = `rules, and others at ${first?.[0]?.declaredAt}`
    problems.push(
      describeContradiction(
        rule?.declaredAt,
        'rules',
        found,
        'rules in only one document, because rules depend on their order',
      ),
    )
  }
  const names = new Map<string, Policy>()
  for (const policy of policies) {
    const other = names.get(policy.name)
    if (other === undefined) names.set(policy.name, policy)
    else {
      const found = `a second policy '${policy.name}'`
      const expected = `a name other than that of the policy at ${other.declaredAt}`
      problems.push(describeContradiction(policy.declaredAt, 'policies', found, expected))
    }
  }
  return { rules: first, policies, problems }
}

function describeContradiction(
  declaredAt: string | undefined,
  path: string,
  found: string,
  expected: string,
): DocumentProblem {
  const [, file = '', line = '1', column = '1'] = /^(.*):(\d+):(\d+)$/.exec(declaredAt ?? '') ?? []
  return { file, line: Number(line), column: Number(column), path, found, expected }
}

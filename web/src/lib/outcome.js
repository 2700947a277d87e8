// Every answer of the server in words: what happened, what it means, what to do.
// SPDX-License-Identifier: Apache-2.0
import { plural } from './text.js';

/**
 * @typedef {object} Outcome
 * @property {'good'|'neutral'|'bad'|'wait'} tone
 * @property {string} title
 * @property {string} text
 * @property {boolean} [final]  nothing more can be done on this page
 * @property {boolean} [retry]  the same step may be tried again
 */

const CLOSED = {
  used: {
    tone: 'neutral',
    title: 'You have already decided',
    text: 'Your decision on this request was recorded earlier. A link decides once.',
  },
  voided: {
    tone: 'neutral',
    title: 'This link was replaced',
    text: 'After several wrong codes it stopped working. Please use the newest mail about this request.',
  },
  superseded: {
    tone: 'neutral',
    title: 'This link was replaced',
    text: 'The request or its policy changed after this mail was sent, so it was asked again. Please use the newest mail about it.',
  },
  expired: {
    tone: 'neutral',
    title: 'The time to decide is over',
    text: 'Nothing will be signed on the strength of this link. Whoever needs the signature can submit the request again.',
  },
  decided: {
    tone: 'neutral',
    title: 'This request needs no decision any more',
    text: 'It has been decided, canceled or finished in the meantime.',
  },
  forbidden: {
    tone: 'bad',
    title: 'You may not decide on this request',
    text: 'Submitters cannot approve what they submitted themselves, and only approvers named in the policy decide.',
  },
  unknown: {
    tone: 'bad',
    title: 'This link does not work',
    text: 'It is incomplete, or it was never valid. Some mail programs break long links: copy the whole link from the mail and open it again.',
  },
};

const BY_CODE = {
  'decision.used': CLOSED.used,
  'decision.voted': CLOSED.used,
  'decision.superseded': CLOSED.superseded,
  'decision.voided': CLOSED.voided,
  'decision.late': CLOSED.decided,
  'decision.expired': CLOSED.expired,
  'decision.own_request': CLOSED.forbidden,
  'decision.not_an_approver': CLOSED.forbidden,
};

const final = (o) => ({ ...o, final: true });

/** Why an invitation that the preview shows is not open any more. */
export function closed(invitationState) {
  return final(CLOSED[invitationState] ?? CLOSED.decided);
}

/** @returns {Outcome} for an answer that is neither a preview nor a checked code */
export function refused({ status, body }, step) {
  const known = BY_CODE[body.code];
  if (known) return final(known);
  if (status === 409) return final(CLOSED.used);
  if (status === 410) return final(CLOSED.expired);
  if (status === 403 && typeof body.triesLeft === 'number') return wrongCode(body.triesLeft);
  if (status === 403 || status === 404 || (status === 400 && step === 'preview')) {
    return final(CLOSED.unknown);
  }
  if (status === 400) {
    return { tone: 'bad', title: 'The server did not understand that', text: detail(body), retry: true };
  }
  return later(status, step);
}

function wrongCode(triesLeft) {
  if (triesLeft <= 0) {
    return {
      tone: 'bad',
      title: 'Too many wrong codes',
      text: 'This link has been switched off and nothing was decided. A mail with a new link and new codes is on its way to you.',
      final: true,
    };
  }
  return {
    tone: 'bad',
    title: 'That code is not right',
    text: `Nothing was decided. Please compare it with the mail; you have ${plural(triesLeft, 'try', 'tries')} left.`,
    retry: true,
  };
}

function later(status, step) {
  const text = {
    preview: 'Nothing was decided. Please try again in a moment; the link stays valid.',
    check: 'Nothing was decided. Please check the code again in a moment.',
    decide:
      'We cannot tell yet whether your decision arrived. Please send it again: the same code a second time changes nothing.',
  }[step];
  return {
    tone: 'wait',
    title: status === 0 ? 'The server could not be reached' : 'The service is not ready right now',
    text,
    retry: true,
  };
}

function detail(body) {
  return typeof body.detail === 'string' && body.detail !== '' ? body.detail : 'Please check the code and try again.';
}

/** @returns {Outcome} for 200 and 202 of a decision */
export function decided({ status, body }, meaning, subject) {
  if (status === 202) {
    return {
      tone: 'good',
      title: 'Your decision is recorded',
      text: 'It is safely stored and takes effect as soon as the request is processed. You can close this page.',
      final: true,
    };
  }
  const denied = (body.decision ?? meaning) === 'deny';
  if (denied) {
    return {
      tone: 'neutral',
      title: 'You denied this request',
      text: `${subject} will not be signed. The submitter is told, with your comment.`,
      final: true,
    };
  }
  return {
    tone: 'good',
    title: 'You approved this request',
    text:
      body.status === 'WaitingForApproval'
        ? 'Another approval is still needed before anything is signed. You can close this page.'
        : `${subject} will be signed now. You can close this page.`,
    final: true,
  };
}

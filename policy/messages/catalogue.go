package messages

// The IDs are part of the configuration, because a file of [messages] uses them. The message after a wrong password is the
// same as the one after an unknown name, so that nobody can learn which names exist.
const (
	WrongPassword    ID = "wrong-password"
	AccountUnusable  ID = "account-unusable"
	HeldPasswords    ID = "held-passwords"
	HeldPasscodes    ID = "held-passcodes"
	HeldSource       ID = "held-source"
	WaitSecond       ID = "wait-second"
	WaitSeconds      ID = "wait-seconds"
	WaitMinute       ID = "wait-minute"
	WaitMinutes      ID = "wait-minutes"
	TryLater         ID = "try-later"
	StartAgain       ID = "start-again"
	Denied           ID = "denied"
	NoAnswer         ID = "no-answer"
	JustDeclined     ID = "just-declined"
	DuoDenies        ID = "duo-denies"
	DuoPushDenied    ID = "duo-push-denied"
	DuoPushTimeout   ID = "duo-push-timeout"
	DuoWrongPasscode ID = "duo-wrong-passcode"

	Enroll            ID = "enroll"
	EnrollHelpDesk    ID = "enroll-help-desk"
	EnrollThenFactor  ID = "enroll-then-factor"
	NoDevice          ID = "no-device"
	DeviceUnreachable ID = "device-unreachable"
	PushPending       ID = "push-pending"
	HoldUnanswered    ID = "hold-unanswered"
	HoldByDuo         ID = "hold-by-duo"
	HoldTooQuick      ID = "hold-too-quick"

	WhatToType     ID = "what-to-type"
	NotAllowed     ID = "factor-not-allowed"
	NotUnderstood  ID = "not-understood"
	TypePasscode   ID = "type-passcode"
	AppendPasscode ID = "append-passcode"
	CodesSent      ID = "codes-sent"
	Passcode       ID = "passcode"

	DelimiterComma     ID = "delimiter-comma"
	DelimiterSemicolon ID = "delimiter-semicolon"
	DelimiterColon     ID = "delimiter-colon"
	DelimiterFullStop  ID = "delimiter-full-stop"
	DelimiterPlus      ID = "delimiter-plus"
	DelimiterHyphen    ID = "delimiter-hyphen"
	DelimiterSlash     ID = "delimiter-slash"

	Menu             ID = "menu"
	MenuOfUser       ID = "menu-of-user"
	OptionPush       ID = "option-push"
	OptionCall       ID = "option-call"
	OptionSMS        ID = "option-sms"
	OptionSMSNext    ID = "option-sms-next"
	OptionPushShort  ID = "option-push-short"
	OptionCallShort  ID = "option-call-short"
	OptionSMSShort   ID = "option-sms-short"
	YourPhone        ID = "your-phone"
	Choose           ID = "choose"
	ChooseOrPasscode ID = "choose-or-passcode"

	AnswerPush                 ID = "answer-push"
	AnswerPushOrPasscode       ID = "answer-push-or-passcode"
	AnswerPushByCode           ID = "answer-push-by-code"
	AnswerPushByCodeOrPasscode ID = "answer-push-by-code-or-passcode"

	PasswordExpired  ID = "password-expired"
	NewPassword      ID = "new-password"
	NewPasswordAgain ID = "new-password-again"
	PasswordEmpty    ID = "password-empty"
	PasswordsDiffer  ID = "passwords-differ"
	PasswordRefused  ID = "password-refused"

	PushService     ID = "push-service"
	PushClient      ID = "push-client"
	PushUserAddress ID = "push-user-address"
)

// catalogue holds every message, in the order of the IDs above.
var catalogue = []Message{
	{WrongPassword, "Wrong user name or password.",
		"A refusal: the user name or the password is wrong. A login that a rule denies, or whose user is not listed, reads the same"},
	{AccountUnusable, "Your account can't log in: its password may have expired. Ask your help desk.",
		"A refusal: the password is right, but expired, or the account is locked or disabled"},
	{HeldPasswords, "Too many wrong passwords. Try again in {wait}.", "A refusal: [guard] wrong_passwords"},
	{HeldPasscodes, "Too many wrong passcodes. Try again in {wait}.", "A refusal: [guard] wrong_passcodes"},
	{HeldSource, "Too many wrong passwords came from your address. Try again in {wait}.", "A refusal: [guard] wrong_per_source"},
	{WaitSecond, "1 second", "In place of {wait}"},
	{WaitSeconds, "{number} seconds", "In place of {wait}"},
	{WaitMinute, "1 minute", "In place of {wait}"},
	{WaitMinutes, "{number} minutes", "In place of {wait}"},
	{TryLater, "The login can't be checked now. Try again in a minute.", "A refusal: Duo, the directory or this daemon can't answer"},
	{StartAgain, "This login is over. Start again.", "A refusal: the answer to a challenge came too late, or twice"},
	{Denied, "Login denied.", "A refusal: the user said no to the push or call, or the passcode was wrong, and Duo gives no words of its own"},
	{NoAnswer, "No answer came from your phone. Try again.", "A refusal: nobody answered the push or call in time"},
	{JustDeclined, "You have just declined this login.", "A refusal: the client asks again, with a new request, about a login that the user has just declined"},
	{DuoDenies, "{duo}", "A refusal: Duo's policy denies the login, or the user is locked out there; {duo} is the reason that Duo gives, in English unless your Duo account has another text"},
	{DuoPushDenied, "{duo}", "A refusal: the user said no to the push or call; {duo} is what Duo says to that, in English"},
	{DuoPushTimeout, "{duo}", "A refusal: Duo got no answer in time; {duo} is what Duo says to that, in English"},
	{DuoWrongPasscode, "{duo}", "A refusal, or the head of a challenge: the passcode is wrong; {duo} is what Duo says to that, in English"},

	{Enroll, "You are not enrolled in Duo yet: {url}", "A refusal or a challenge: Duo does not know the user"},
	{EnrollHelpDesk, "You are not enrolled in Duo. Ask your help desk.", "A refusal or a challenge: Duo does not know the user, and gives no address to enrol at"},
	{EnrollThenFactor, "Enrol, then type a passcode or push:", "The prompt below enroll or enroll-help-desk, in a challenge. The user types the word push in every language"},
	{NoDevice, "Duo knows no device of yours. Ask your help desk.", "A refusal"},
	{DeviceUnreachable, "Duo can't reach a device of yours that way from here.", "A refusal: no device of the user's can do what was asked for"},
	{PushPending, "Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile.",
		"A refusal, or the head of a menu without push and call: another login of this user waits for the same phone"},
	{HoldUnanswered, "Too many requests to your phone went without a yes.", "A refusal, or the head of a menu: [guard] pushes"},
	{HoldByDuo, "Duo sends no more requests to your phone for now. Wait a minute.", "A refusal, or the head of a menu: Duo itself holds back pushes"},
	{HoldTooQuick, "The last request to your phone was denied at once, before you can have answered it. Wait a minute.", "A refusal, or the head of a menu: something denies pushes sooner than a person can"},

	{WhatToType, "Type a passcode, or push, phone or sms, or leave the field empty.",
		"A refusal: the password field holds none of these. The user types the words push, phone and sms in every language"},
	{NotAllowed, "This factor is not allowed here.", "A refusal, or the head of a challenge: factors does not list what the user chose"},
	{NotUnderstood, "That is neither a passcode nor an option.", "The head of a challenge, after an answer that means nothing"},
	{TypePasscode, "Type a passcode.", "A refusal where a passcode is wanted; it also follows other sentences"},
	{AppendPasscode, "Type your password, then {delimiter} and a passcode.", "A refusal where a passcode is wanted, at a client that takes both in the password field; it also follows other sentences"},
	{CodesSent, "New passcodes were sent by SMS.", "A refusal or the head of a challenge; how to type one follows"},
	{Passcode, "Passcode:", "A prompt"},

	{DelimiterComma, "a comma", "In place of {delimiter}, which is the client's: a comma"},
	{DelimiterSemicolon, "a semicolon", "In place of {delimiter}, which is the client's: a semicolon"},
	{DelimiterColon, "a colon", "In place of {delimiter}, which is the client's: a colon"},
	{DelimiterFullStop, "a full stop", "In place of {delimiter}, which is the client's: a full stop"},
	{DelimiterPlus, "a plus sign", "In place of {delimiter}, which is the client's: a plus sign"},
	{DelimiterHyphen, "a hyphen", "In place of {delimiter}, which is the client's: a hyphen"},
	{DelimiterSlash, "a slash", "In place of {delimiter}, which is the client's: a slash"},

	{Menu, "Duo login", "The head of a menu of factors, where the name can't be trusted"},
	{MenuOfUser, "Duo login for {user}", "The head of a menu of factors"},
	{OptionPush, "Duo Push to {device}", "A line of the menu"},
	{OptionCall, "Phone call to {device}", "A line of the menu"},
	{OptionSMS, "SMS passcodes to {device}", "A line of the menu"},
	{OptionSMSNext, "SMS passcodes to {device} (next code starts with {digit})", "A line of the menu, for a user who has unused codes"},
	{OptionPushShort, "Push {device}", "A line of the menu, where the long lines don't fit one Reply-Message; {device} is short then"},
	{OptionCallShort, "Call {device}", "A line of the menu, where the long lines don't fit one Reply-Message; {device} is short then"},
	{OptionSMSShort, "SMS {device}", "A line of the menu, where the long lines don't fit one Reply-Message; {device} is short then"},
	{YourPhone, "your phone", "In place of {device}, where Duo gives neither a number nor a name"},
	{Choose, "Option ({options}):", "The prompt of a menu; {options} is a number or a range, such as 1 or 1-3"},
	{ChooseOrPasscode, "Passcode or option ({options}):", "The prompt of a menu, where a passcode is allowed too; {options} is a number or a range, such as 1 or 1-3"},

	{AnswerPush, "Answer the request on your phone, then press Enter here:", "A challenge beside a push that is under way"},
	{AnswerPushOrPasscode, "Answer the request on your phone, then press Enter here (or type a passcode):", "A challenge beside a push that is under way, where a passcode is allowed too"},
	{AnswerPushByCode, "Enter {code} in Duo Mobile, then press Enter here:", "A challenge beside a Verified Push"},
	{AnswerPushByCodeOrPasscode, "Enter {code} in Duo Mobile, then press Enter here (or type a passcode):", "A challenge beside a Verified Push, where a passcode is allowed too"},

	{PasswordExpired, "Your password has expired.", "The head of a challenge of password_change"},
	{NewPassword, "New password:", "A prompt of password_change. It must not begin with Enter: OpenVPN's auth-pam plugin answers such prompts itself"},
	{NewPasswordAgain, "New password again:", "A prompt of password_change. It must not begin with Enter"},
	{PasswordEmpty, "That was no password.", "The head of a challenge of password_change, after an empty answer"},
	{PasswordsDiffer, "The two passwords differ.", "The head of a challenge of password_change"},
	{PasswordRefused, "The directory does not accept this password.", "The head of a challenge of password_change, where the directory gives no reason of its own"},

	{PushService, "Service", "A label on the phone, beside the name of the service"},
	{PushClient, "Client", "A label on the phone, beside the name and address of the RADIUS client"},
	{PushUserAddress, "User address", "A label on the phone, beside the address of the user's device"},
}

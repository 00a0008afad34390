# One synchronous, signed call to Duo for each login, as Duo's own client for Perl makes it, which is what a script around
# FreeRADIUS calls: HMAC-SHA1, and LWP::UserAgent, a new one for each call, so that each call dials anew. In two things
# this is leaner: its parameters are sorted once, and it trusts one certificate instead of Debian's whole list, whose
# reading costs more than all the rest.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha1_hex);
use HTTP::Request;
use JSON::PP qw(decode_json);
use LWP::Protocol::https;
use LWP::UserAgent;
use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);

our (%RAD_REQUEST, %RAD_REPLY, %RAD_CHECK);
use constant { RLM_MODULE_REJECT => 0, RLM_MODULE_FAIL => 1, RLM_MODULE_OK => 2, RLM_MODULE_UPDATED => 8 };

sub escape { my $s = shift; $s =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge; return $s }

sub authorize {
	my $date = strftime('%a, %d %b %Y %H:%M:%S +0000', gmtime);
	my %p = (device => 'auto', factor => 'push', ipaddr => $RAD_REQUEST{'Calling-Station-Id'}, username => $RAD_REQUEST{'User-Name'});
	my $body = join '&', map { escape($_) . '=' . escape($p{$_}) } sort keys %p;
	my $canon = join "\n", $date, 'POST', $ENV{FR_DUO_HOST}, '/auth/v2/auth', $body;
	my $auth = encode_base64("$ENV{FR_IKEY}:" . hmac_sha1_hex($canon, $ENV{FR_SKEY}), '');
	my $ua = LWP::UserAgent->new(timeout => 70, ssl_opts => { SSL_ca_file => $ENV{FR_CA} });
	my $r = $ua->request(HTTP::Request->new(POST => "https://$ENV{FR_DUO}/auth/v2/auth", [
		'Content-Type'  => 'application/x-www-form-urlencoded',
		'Date'          => $date,
		'Authorization' => "Basic $auth",
	], $body));
	return RLM_MODULE_FAIL unless $r->is_success;
	return RLM_MODULE_REJECT unless decode_json($r->content)->{response}{result} eq 'allow';
	$RAD_CHECK{'Auth-Type'} = 'Accept';
	return RLM_MODULE_UPDATED;
}

1;

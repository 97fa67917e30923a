(function(){
"use strict";
// SHA-256 by FIPS 180-4. crypto.subtle is absent from pages over plain HTTP.
var K=[],H0=[],p=2,n=0;
function frac(x){return((x-Math.floor(x))*4294967296)|0}
for(;n<64;p++){var prime=true;for(var d=2;d*d<=p;d++)if(p%d===0){prime=false;break}
if(prime){if(n<8)H0[n]=frac(Math.pow(p,1/2));K[n++]=frac(Math.pow(p,1/3))}}
function rot(x,n){return(x>>>n)|(x<<(32-n))}
// sha256 gives the first word of the digest of an ASCII text; that is all that is looked at.
function first(s){
var l=s.length,words=((l+8>>6)+1)*16,m=new Int32Array(words),i,t;
for(i=0;i<l;i++)m[i>>2]|=s.charCodeAt(i)<<(24-(i%4)*8);
m[l>>2]|=128<<(24-(l%4)*8);m[words-1]=l*8;
var h=H0.slice(),w=new Int32Array(64);
for(i=0;i<words;i+=16){
var a=h[0],b=h[1],c=h[2],d=h[3],e=h[4],f=h[5],g=h[6],k=h[7];
for(t=0;t<64;t++){
if(t<16)w[t]=m[i+t];else{var x=w[t-15],y=w[t-2];
w[t]=(rot(y,17)^rot(y,19)^(y>>>10))+w[t-7]+(rot(x,7)^rot(x,18)^(x>>>3))+w[t-16]|0}
var t1=k+(rot(e,6)^rot(e,11)^rot(e,25))+((e&f)^(~e&g))+K[t]+w[t]|0;
var t2=(rot(a,2)^rot(a,13)^rot(a,22))+((a&b)^(a&c)^(b&c))|0;
k=g;g=f;f=e;e=d+t1|0;d=c;c=b;b=a;a=t1+t2|0}
h[0]=h[0]+a|0;h[1]=h[1]+b|0;h[2]=h[2]+c|0;h[3]=h[3]+d|0;h[4]=h[4]+e|0;h[5]=h[5]+f|0;h[6]=h[6]+g|0;h[7]=h[7]+k|0}
return h[0]>>>0}
function solve(token,bits,done){
var i=0,limit=Math.pow(2,32-bits);
(function some(){for(var end=i+2000;i<end;i++)if(first(token+":"+i)<limit)return done(i);
setTimeout(some,0)})()}
if(typeof document==="undefined"){module.exports=solve;return}
var box=document.getElementById("ow-challenge");
solve(box.getAttribute("data-token"),+box.getAttribute("data-bits"),function(a){
location.replace("/cdn-cgi/challenge?t="+encodeURIComponent(box.getAttribute("data-token"))+"&a="+a+
"&to="+encodeURIComponent(location.pathname+location.search))})
})()
